package planreport

import (
	"cmp"
	"slices"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/look"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// figures are what a manager asks for first. Each counts users, but for those of keys.
type figures struct {
	Users, Asked, Eligible, Unclear int
	Keys, KeysOverUnused, KeysOver1 int // access keys that are Active; made longer ago than the plan's limit, than a year
	Passwords, NoMFA, MFAUnknown    int // of users with a password
	Unreported                      int // users with a credential whose use AWS does not report
	CodeManaged, Unowned            int // of eligible users
}

func figuresOf(p sunset.Plan) figures {
	var f figures
	for _, e := range p.Entries {
		f.Users++
		if !e.Verdict.Has(sunset.NotRequested) {
			f.Asked++
		}
		switch standingOf(e) {
		case eligible:
			f.Eligible++
			if e.CodeManaged != "" {
				f.CodeManaged++
			}
			if OwnerName(e.Owner) == "" {
				f.Unowned++
			}
		case unclear:
			f.Unclear++
		case kept:
		}
		f.credentials(p, e)
	}
	return f
}

func (f *figures) credentials(p sunset.Plan, e sunset.Entry) {
	unreported := false
	for _, c := range e.User.Credentials {
		unreported = unreported || !c.Kind.UseReported()
		switch {
		case c.Kind == sunset.Password:
			f.Passwords++
			switch hasMFA(e) {
			case "no":
				f.NoMFA++
			case "unknown":
				f.MFAUnknown++
			}
		case c.Kind == sunset.AccessKey && c.Status == sunset.Active:
			f.Keys++
			if p.Made.Sub(c.Created) > p.Settings.Unused.Std() {
				f.KeysOverUnused++
			}
			if c.Created.Before(p.Made.AddDate(-1, 0, 0)) {
				f.KeysOver1++
			}
		}
	}
	if unreported {
		f.Unreported++
	}
}

// order is that of verdicts wherever they are listed: what asks for somebody's attention first.
var order = []sunset.ReasonCode{
	"", sunset.IsUnknown, sunset.Blocked, sunset.NotCrosschecked, sunset.InCase, sunset.Exempt, sunset.TooYoung, sunset.IsActive, sunset.NotRequested,
}

// meanings say each verdict in a few words.
var meanings = map[sunset.ReasonCode]string{
	"":                     "eligible: unused, and nothing speaks against",
	sunset.IsUnknown:       "unknown: whether it is used can't be told",
	sunset.Blocked:         "blocked: something that names it would break",
	sunset.NotCrosschecked: "not cross-checked: this scan left checks out",
	sunset.InCase:          "in a case: a cleanup has it already",
	sunset.Exempt:          "exempt: by settings or tag",
	sunset.TooYoung:        "too young",
	sunset.IsActive:        "active",
	sunset.NotRequested:    "not asked about",
}

// byAttention gives the entries by verdict, then longest unused first.
func byAttention(p sunset.Plan) []sunset.Entry {
	out := slices.Clone(p.Entries)
	slices.SortStableFunc(out, func(a, b sunset.Entry) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, Foremost(a)), slices.Index(order, Foremost(b))),
			a.User.LastUse().Compare(b.User.LastUse()), cmp.Compare(a.User.Name, b.User.Name),
		)
	})
	return out
}

var standings = []look.Series{{Name: "eligible", Tone: look.Accent}, {Name: "unclear", Tone: look.Strong}, {Name: "kept", Tone: look.Soft}}

// charts counts the users that were asked about.
func charts(p sunset.Plan) []look.Chart {
	var asked []sunset.Entry
	for _, e := range p.Entries {
		if !e.Verdict.Has(sunset.NotRequested) {
			asked = append(asked, e)
		}
	}
	return []look.Chart{
		byVerdict(p),
		{Caption: "Age of the last use that AWS reports of any credential", Of: "Last use", Series: standings, Bars: byAge(p.Made, asked)},
		{Caption: "What kind of user it is, as far as names, tags and calls tell", Of: "Class", Series: standings, Bars: by(asked, func(e sunset.Entry) string { return plain(string(e.Class)) })},
		{Caption: "Who is asked: the ten owners with most to look at, and all others", Of: "Owner", Series: standings, Bars: mostOf(by(asked, func(e sunset.Entry) string {
			return cmp.Or(plain(OwnerName(e.Owner)), "no owner known")
		}), 10)},
	}
}

func byVerdict(p sunset.Plan) look.Chart {
	counts := map[sunset.ReasonCode]int{}
	for _, e := range p.Entries {
		counts[Foremost(e)]++
	}
	c := look.Chart{Caption: "Every user once, by its verdict", Of: "Verdict", Series: []look.Series{{Name: "users", Tone: look.Accent}}}
	for _, code := range order {
		if counts[code] > 0 || code == "" {
			c.Bars = append(c.Bars, look.Bar{Label: meanings[code], Parts: []int{counts[code]}})
		}
	}
	return c
}

func byAge(now time.Time, entries []sunset.Entry) []look.Bar {
	ages := []struct {
		label string
		days  int
	}{{"up to 30 days", 30}, {"31 to 90 days", 90}, {"91 to 180 days", 180}, {"181 days to a year", 365}, {"one to two years", 730}, {"longer", 0}, {"never", 0}}
	bars := make([]look.Bar, len(ages))
	for i, a := range ages {
		bars[i] = look.Bar{Label: a.label, Parts: make([]int, len(standings))}
	}
	for _, e := range entries {
		at := len(ages) - 1
		if last, used := lastUsed(e); used {
			at = slices.IndexFunc(ages, func(a struct {
				label string
				days  int
			},
			) bool {
				return a.days == 0 || days(last, now) <= a.days
			})
		}
		bars[at].Parts[standingOf(e)]++
	}
	return bars
}

// by counts entries by a word, most to look at first.
func by(entries []sunset.Entry, word func(sunset.Entry) string) []look.Bar {
	at := map[string]int{}
	var bars []look.Bar
	for _, e := range entries {
		label := word(e)
		i, seen := at[label]
		if !seen {
			i = len(bars)
			at[label] = i
			bars = append(bars, look.Bar{Label: label, Parts: make([]int, len(standings))})
		}
		bars[i].Parts[standingOf(e)]++
	}
	slices.SortFunc(bars, func(a, b look.Bar) int {
		return cmp.Or(cmp.Compare(b.Parts[eligible]+b.Parts[unclear], a.Parts[eligible]+a.Parts[unclear]), cmp.Compare(b.Parts[kept], a.Parts[kept]), cmp.Compare(a.Label, b.Label))
	})
	return bars
}

// mostOf adds up all bars after the first n.
func mostOf(bars []look.Bar, n int) []look.Bar {
	if len(bars) <= n {
		return bars
	}
	others := look.Bar{Label: counted(len(bars)-n, "other"), Parts: make([]int, len(standings))}
	for _, b := range bars[n:] {
		for i, count := range b.Parts {
			others.Parts[i] += count
		}
	}
	return append(bars[:n:n], others)
}
