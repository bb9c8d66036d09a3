package approval

import (
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// result is what became of one decision among many.
type result struct {
	ballot
	Name, Address string
	Decision      *sunset.Decision // as stored; nil where it was not taken
	Why           string           // why it was not
	Again         bool             // sending the same again may help
	Newer         string           // where the newer request is, if there is one
	Moved         []string         // what moved between the two
}

type resultPage struct {
	place
	Title        string
	Taken, Not   []result
	Again        []result // those of Not that are worth sending again
	Deleted      int
	Kept, Soaked int
}

func resultView(at place, results []result) resultPage {
	p := resultPage{place: at, Title: "What was decided"}
	slices.SortFunc(results, func(a, b result) int {
		return strings.Compare(strings.ToLower(a.Name)+a.ID, strings.ToLower(b.Name)+b.ID)
	})
	for _, one := range results {
		if one.Decision == nil {
			p.Not = append(p.Not, one)
			if one.Again {
				p.Again = append(p.Again, one)
			}
			continue
		}
		p.Taken = append(p.Taken, one)
		switch one.Decision.Choice {
		case sunset.ChooseDelete:
			p.Deleted++
		case sunset.ChooseKeep:
			p.Kept++
		default:
			p.Soaked++
		}
	}
	return p
}
