package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// widthOf is how many columns the terminal has, or else fallback.
func widthOf(w io.Writer, fallback int) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return fallback
}

// progressLine shows in one line of a terminal what long work is at, and takes the line away at the end. Elsewhere it
// says nothing.
type progressLine struct {
	out   io.Writer // nil: nobody watches
	began time.Time

	mu   sync.Mutex
	what string
	done bool

	stopTicking, ticked chan struct{}
}

func newProgress(out io.Writer) *progressLine {
	p := &progressLine{began: time.Now()}
	if !isTerminal(out) {
		return p
	}
	p.out, p.stopTicking, p.ticked = out, make(chan struct{}), make(chan struct{})
	p.say("beginning")
	go p.tick()
	return p
}

// say may be called by several at once.
func (p *progressLine) say(what string) {
	if p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what = printable(what)
	p.draw()
}

// tick keeps the seconds going while a call takes long.
func (p *progressLine) tick() {
	defer close(p.ticked)
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-p.stopTicking:
			return
		case <-every.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

const eraseLine = "\r\x1b[K"

// draw expects mu to be held.
func (p *progressLine) draw() {
	if p.done {
		return
	}
	line := fmt.Sprintf("%4s  %s", time.Since(p.began).Round(time.Second), p.what)
	// The last column stays free: a full line would wrap, and could not be taken back.
	line = text.Trim(line, widthOf(p.out, 80)-1)
	fmt.Fprint(p.out, eraseLine+text.Faint.Sprint(line))
}

func (p *progressLine) stop() {
	if p.out == nil {
		return
	}
	p.mu.Lock()
	first := !p.done
	p.done = true
	p.mu.Unlock()
	if first {
		close(p.stopTicking)
		<-p.ticked
		fmt.Fprint(p.out, eraseLine)
	}
}
