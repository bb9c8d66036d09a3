package audit

import (
	"context"
	"fmt"
	"slices"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// writtenCheckpoint is one that is in the store.
type writtenCheckpoint struct {
	file, hash string
	body       checkpoint
	readable   bool
	// why says what keeps it from being one of this book's own; empty where nothing does.
	why string
}

// checked is what it found when it was written.
func (w *writtenCheckpoint) checked() Checked {
	found := w.body.checked()
	found.SHA256 = w.hash
	return found
}

// readCheckpoint reads a day's; an error is the store's, and says nothing of what is written there.
func (in *inspection) readCheckpoint(ctx context.Context, day string) (*writtenCheckpoint, error) {
	w := &writtenCheckpoint{file: checkpointFile(day)}
	body, err := in.book.objects.Get(ctx, evidence+w.file)
	if err != nil {
		return nil, sunset.Faultf(sunset.KindOf(err), "reading %s: %w", w.file, err)
	}
	w.hash = hashOf(body)
	line, s, err := decodeSealed(body, &w.body)
	switch {
	case err != nil:
		w.why = fmt.Sprintf("the checkpoint can't be read: %v", err)
	case w.body.Day != day:
		w.why = "the checkpoint is of " + w.body.Day
	default:
		w.readable = true
		w.why = notOurs(in.key, line, s, w.body.SealedBy)
	}
	return w, nil
}

// lookAround is how many checkpoints of earlier days are passed over in search of one of ours, and how many of later
// days are read.
const lookAround = 31

// findBase finds the newest earlier checkpoint of ours. Where there is none, the newest that can be read at least tells
// of chains that are gone.
func (in *inspection) findBase(ctx context.Context) error {
	i, _ := slices.BinarySearch(in.days, in.day)
	earlier, later := in.days[:i], in.days[i:]
	if err := in.checkLater(ctx, later); err != nil {
		return err
	}
	for _, day := range slices.Backward(earlier[max(0, i-lookAround):]) {
		w, err := in.readCheckpoint(ctx, day)
		if err != nil {
			return err
		}
		if w.readable && (in.base == nil || w.why == "") {
			in.base = w
		}
		if w.why == "" {
			break
		}
		in.bad(w.file, "%s", w.why)
	}
	in.ends = map[string]checkpointEnd{}
	if in.base != nil {
		for _, end := range in.base.body.Chains {
			in.ends[end.Chain] = end
		}
	}
	return nil
}

// checkLater makes sure that no day after this one has its checkpoint.
func (in *inspection) checkLater(ctx context.Context, days []string) error {
	for i, day := range days {
		if day == in.day {
			continue
		}
		if i > lookAround {
			in.bad(checkpointFile(day), "it is of a day to come")
			continue
		}
		w, err := in.readCheckpoint(ctx, day)
		if err != nil {
			return err
		}
		if w.why == "" {
			return sunset.Faultf(sunset.Conflict, "there is one of %s already", day)
		}
		in.bad(w.file, "%s", w.why)
	}
	return nil
}
