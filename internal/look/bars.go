package look

import (
	"bytes"
	_ "embed" // the stylesheet of bars
	"fmt"
	"html/template"
)

//go:embed bars.css
var barsCSS string

// BarsCSS is what a Chart wants beside CSS.
func BarsCSS() string { return barsCSS }

// Chart is a bar chart. It is a table whose rows have a bar each, so that its text alternative is itself: screen readers
// hear labels and numbers, its words keep their size on narrow screens, and nothing is said by colour alone.
type Chart struct {
	Caption string
	Of      string // head of the first column: what there is a bar of
	Series  []Series
	Bars    []Bar
}

// Series is one of the parts that bars are made of.
type Series struct {
	Name string
	Tone Tone
}

// Tone is a colour by its meaning, which light and dark have each in their own shade.
type Tone string

// The tones.
const (
	Accent Tone = "accent"
	Calm   Tone = "calm"
	Alarm  Tone = "alarm"
	Strong Tone = "strong"
	Soft   Tone = "soft"
)

// Bar is one row: a part for each series, in their order.
type Bar struct {
	Label string
	Parts []int
}

const chartText = `<div class="scroll"><table class="bars">
<caption>{{.Caption}}</caption>
<thead><tr><th scope="col">{{.Of}}</th><td aria-hidden="true"></td>{{range .Series}}<th scope="col"><svg class="swatch" viewBox="0 0 1 1" aria-hidden="true"><rect class="tone-{{.Tone}}" width="1" height="1"/></svg>{{.Name}}</th>{{end}}</tr></thead>
<tbody>
{{range .Rows}}<tr><th scope="row">{{.Label}}</th><td class="chart-bar" aria-hidden="true"><svg viewBox="0 0 1000 10" preserveAspectRatio="none">{{range .Rects}}<rect class="tone-{{.Tone}}" x="{{.X}}" width="{{.Width}}" height="10"/>{{end}}</svg></td>{{range .Parts}}<td class="number">{{.}}</td>{{end}}</tr>
{{end}}</tbody>
</table></div>
`

type rect struct {
	Tone     Tone
	X, Width int
}

type barRow struct {
	Bar
	Rects []rect
}

// HTML draws the chart; the longest bar takes all the room there is. A bar whose parts are not as many as the series is an
// error, since its numbers would stand under the wrong heads.
func (c Chart) HTML() (template.HTML, error) {
	most := 1
	for _, b := range c.Bars {
		if len(b.Parts) != len(c.Series) {
			return "", fmt.Errorf("drawing the chart %q: the bar %q has %d parts for %d series", c.Caption, b.Label, len(b.Parts), len(c.Series))
		}
		most = max(most, b.sum())
	}
	var rows []barRow
	for _, b := range c.Bars {
		row := barRow{Bar: b}
		x := 0
		for i, n := range b.Parts {
			if n <= 0 {
				continue
			}
			// One user among thousands is still to be seen.
			width := max(n*1000/most, 6)
			row.Rects = append(row.Rects, rect{c.Series[i].Tone, x, width})
			x += width
		}
		rows = append(rows, row)
	}
	var b bytes.Buffer
	chart := template.Must(template.New("chart").Parse(chartText))
	if err := chart.Execute(&b, struct {
		Chart
		Rows []barRow
	}{c, rows}); err != nil {
		return "", fmt.Errorf("drawing the chart %q: %w", c.Caption, err)
	}
	return template.HTML(b.String()), nil // made by a template that escapes
}

func (b Bar) sum() int {
	sum := 0
	for _, n := range b.Parts {
		sum += n
	}
	return sum
}
