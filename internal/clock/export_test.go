package clock

import "time"

// AfterFuncOf is Wall.AfterFunc on another source of time.
func AfterFuncOf(now func() time.Time, after func(time.Duration, func()) func() bool, t time.Time, f func()) func() bool {
	return source{now: now, after: after}.afterFunc(t, f)
}
