package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// lock takes the lock for as long as the file stays open, which is until the process ends, however it does. The file says
// whose it is, for whoever comes second; it stays when the lock is gone.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, sunset.Faultf(sunset.Conflict, "the data directory %s is in use by %s", dir, holder(f))
		}
		return nil, fmt.Errorf("locking the data directory %s: %w", dir, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the data directory %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// There is nil while the directory is where it was locked. Where it was moved, replaced or unmounted, or its lock taken
// away, everything in it would seem never to have been, and another process could have it.
func (d *Dir) There() error {
	held, err := d.lock.Stat()
	if err == nil {
		var at os.FileInfo
		if at, err = os.Stat(d.In(lockFile)); err == nil && os.SameFile(held, at) {
			return nil
		}
	}
	if err == nil {
		err = errors.New("its lock is another file")
	}
	return sunset.Faultf(sunset.Unavailable, "the data directory %s is not there any more, or is another one: %w", d.path, err)
}

// holder names the process that a lock says it is of.
func holder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 20))
	pid, notANumber := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || notANumber != nil {
		return "another process"
	}
	return fmt.Sprintf("process %d", pid)
}
