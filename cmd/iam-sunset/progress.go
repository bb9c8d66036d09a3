package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"golang.org/x/term"
)

// progressLine shows on a terminal what long work is at; elsewhere it says nothing.
type progressLine struct {
	once    sync.Once
	writer  progress.Writer
	tracker *progress.Tracker
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func newProgress(w io.Writer) *progressLine {
	p := &progressLine{}
	if !isTerminal(w) {
		return p
	}
	p.writer = progress.NewWriter()
	p.writer.SetOutputWriter(w)
	p.writer.SetStyle(progress.StyleDefault)
	p.writer.Style().Visibility = progress.StyleVisibility{Tracker: true, Time: true}
	if os.Getenv("NO_COLOR") == "" {
		p.writer.Style().Colors = progress.StyleColorsExample
	}
	p.writer.SetUpdateFrequency(200 * time.Millisecond)
	p.tracker = &progress.Tracker{Message: "starting", Total: 0, Units: progress.UnitsDefault}
	p.writer.AppendTracker(p.tracker)
	go p.writer.Render()
	return p
}

func (p *progressLine) say(what string) {
	if p.tracker != nil {
		p.tracker.UpdateMessage(fmt.Sprintf("%-60.60s", what))
	}
}

func (p *progressLine) stop() {
	p.once.Do(func() {
		if p.writer == nil {
			return
		}
		p.tracker.MarkAsDone()
		p.writer.Stop()
		for p.writer.IsRenderInProgress() {
			time.Sleep(10 * time.Millisecond)
		}
	})
}
