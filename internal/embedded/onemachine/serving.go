package onemachine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// ReconcileEvery is how often reconcile runs.
const ReconcileEvery = time.Hour

// answeredWithin bounds a whole answer, so that nobody keeps a connection for ever by not reading. The longest one is a
// rescue's, which may take as long as a function.
const answeredWithin = 20 * time.Minute

// listenOnLoopback refuses an address that others could reach.
func listenOnLoopback(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if at, ok := l.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("%s can be reached from other machines: only a loopback address will do", addr), l.Close())
	}
	return l, nil
}

func urlOf(l net.Listener) string { return "http://" + l.Addr().String() }

// serve answers on l until Close.
func (m *Machine) serve(l net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: answeredWithin, IdleTimeout: time.Minute}
	m.mu.Lock()
	m.servers = append(m.servers, s)
	m.mu.Unlock()
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("a server on loopback ended", "address", l.Addr().String(), "error", err)
		}
	}()
}

// schedule runs reconcile after a while, and then every hour.
func (m *Machine) schedule(after time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.stop = m.time.AfterFunc(m.time.Now().Add(after), func() {
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return
		}
		m.atWork.Add(1)
		m.mu.Unlock()
		defer m.atWork.Done()
		if _, err := m.functions["reconcile"](m.ctx, []byte("{}")); err != nil && m.ctx.Err() == nil {
			m.log.Error("reconcile failed and will run again", "error", err)
		}
		m.schedule(ReconcileEvery)
	})
}

// unschedule lets reconcile run no more.
func (m *Machine) unschedule() {
	m.mu.Lock()
	m.closed = true
	stop := m.stop
	m.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// Close ends everything at once, as a kill would: nothing more is written to the journal, and functions under way see
// their context done. The next machine on the same journal and stores goes on from there.
func (m *Machine) Close() {
	m.unschedule()
	m.Engine.Close()
	m.cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.servers {
		_ = s.Close() // nobody is left to be told
	}
}

// Shutdown lets the functions under way come to their end, until ctx is done, and then closes the machine. No other
// function is called meanwhile, and reconcile, which the next machine runs soon, is told to stop.
func (m *Machine) Shutdown(ctx context.Context) {
	m.unschedule()
	m.cancel()
	m.Engine.Shutdown(ctx)
	done := make(chan struct{})
	go func() {
		m.atWork.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	m.Close()
}
