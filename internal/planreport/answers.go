package planreport

import (
	"slices"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// answer is evidence that says the same of several regions, said once.
type answer struct {
	Source  string     `json:"source"`
	About   string     `json:"about,omitempty"`
	Regions []string   `json:"regions,omitempty"`
	Use     sunset.Use `json:"use"`
	Last    *time.Time `json:"last,omitempty"`
	Read    time.Time  `json:"read"` // the earliest of them: nothing is fresher than it says
	Detail  string     `json:"detail,omitempty"`
}

func answers(e sunset.Entry) []answer {
	var out []answer
	for _, ev := range e.Evidence {
		i := slices.IndexFunc(out, func(a answer) bool {
			return ev.Region != "" && len(a.Regions) > 0 && a.Source == ev.Source && a.About == ev.About && a.Use == ev.Use && a.Detail == ev.Detail && sameTime(a.Last, ev.Last)
		})
		if i < 0 {
			a := answer{Source: ev.Source, About: ev.About, Use: ev.Use, Last: ev.Last, Read: ev.Read, Detail: ev.Detail}
			if ev.Region != "" {
				a.Regions = []string{ev.Region}
			}
			out = append(out, a)
			continue
		}
		out[i].Regions = append(out[i].Regions, ev.Region)
		if ev.Read.Before(out[i].Read) {
			out[i].Read = ev.Read
		}
	}
	return out
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// uses counts evidence by what it says, each region for itself. What is neither used nor unused is unknown.
func uses(e sunset.Entry) (used, unused, unknown int) {
	for _, ev := range e.Evidence {
		switch ev.Use {
		case sunset.Used:
			used++
		case sunset.Unused:
			unused++
		default:
			unknown++
		}
	}
	return used, unused, unknown
}

// hasMFA says yes, no or unknown: of users that were not read by themselves only virtual devices are known.
func hasMFA(e sunset.Entry) string {
	switch {
	case len(e.User.MFA) > 0:
		return "yes"
	case e.Detailed:
		return "no"
	}
	return "unknown"
}
