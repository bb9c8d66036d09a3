package audit

import (
	"context"
	"errors"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// inspected is what was found of one chain.
type inspected struct {
	end      checkpointEnd
	problems []Problem
	read     int // records
}

// names are all chains that the store or the base has.
func (in *inspection) names() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(in.chains)), maps.Keys(in.ends))
	slices.Sort(names)
	return slices.Compact(names)
}

// chain checks one chain from where the base vouches for it, or wholly.
func (in *inspection) chain(ctx context.Context, name string) (inspected, error) {
	numbers, was := in.chains[name], in.ends[name]
	last := 0
	if len(numbers) > 0 {
		last = numbers[len(numbers)-1]
	}
	whole := was.Count < 1 || was.Broken || in.base.why != "" || last < was.Count || last != len(numbers) || in.due(name)
	if !whole && last == was.Count {
		return inspected{end: was}, nil
	}
	v, c := newVerifier(), &chain{name: name}
	v.chains[name] = c
	first := 1
	if !whole {
		first = was.Count
	}
	if err := in.readChain(ctx, v, c, first); err != nil {
		return inspected{}, err
	}
	switch {
	case whole:
		v.checkLinks(c, 1, "")
	case len(c.entries) > 0 && c.entries[0].seq == was.Count:
		// Whether that record is still the one vouched for is seen below.
		v.checkLinks(&chain{name: name, entries: c.entries[1:]}, was.Count+1, c.entries[0].hash)
	default:
		v.checkLinks(c, was.Count+1, was.Head)
	}
	if was.Count > 0 {
		v.checkEnd(c, was.chainEnd, "the checkpoint of "+in.base.body.Day)
	} else if len(c.entries) == 0 {
		v.bad(recordFile(name, 1), 1, "the record is missing, and with it the whole chain, which never was whole")
	}

	found := inspected{problems: v.problems, read: len(c.entries)}
	if len(found.problems) == 0 {
		end := c.entries[len(c.entries)-1]
		found.end.chainEnd = chainEnd{Chain: name, Count: end.seq, Head: end.hash}
		return found, nil
	}
	found.end = checkpointEnd{chainEnd: chainEnd{Chain: name}, Broken: true}
	if in.base != nil && in.base.why == "" {
		found.end.Count, found.end.Head = was.Count, was.Head
	}
	return found, nil
}

// readChain reads the records that were listed, from number first on. Where a number was not listed it looks once more,
// since a chain may grow while it is listed.
func (in *inspection) readChain(ctx context.Context, v *verifier, c *chain, first int) error {
	next := first
	for _, n := range in.chains[c.name] {
		if n < first {
			continue
		}
		for next < n {
			there, err := in.readRecord(ctx, v, c, next)
			if err != nil {
				return err
			}
			if !there {
				break
			}
			next++
		}
		there, err := in.readRecord(ctx, v, c, n)
		if err != nil {
			return err
		}
		if !there {
			v.bad(recordFile(c.name, n), n, "the record is missing: it went while the chain was read")
		}
		next = n + 1
	}
	return nil
}

func (in *inspection) readRecord(ctx context.Context, v *verifier, c *chain, n int) (there bool, err error) {
	body, err := in.book.objects.Get(ctx, evidence+recordFile(c.name, n))
	if errors.Is(err, store.ErrMissing) {
		return false, nil
	}
	if err != nil {
		return false, sunset.Faultf(sunset.KindOf(err), "reading record %d of %s: %w", n, c.name, err)
	}
	v.addRecord(c.name, recordFile(c.name, n), n, body)
	return true, nil
}

// turns is after how many days every chain was read wholly.
const turns = 30

// due reports whether the chain's turn came since the base was written.
func (in *inspection) due(name string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	turn := int(h.Sum32() % turns)
	today := dayNumber(in.day)
	for n := max(dayNumber(in.base.body.Day)+1, today-turns+1); n <= today; n++ {
		if n%turns == turn {
			return true
		}
	}
	return false
}

// dayNumber counts days since 1970.
func dayNumber(day string) int {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return 0 // no day that came this far; 1970 makes every chain due
	}
	return int(t.Unix() / int64(24*time.Hour/time.Second))
}
