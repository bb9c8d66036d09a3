package look_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/look"
)

var series = []look.Series{{Name: "can go", Tone: look.Accent}, {Name: "kept", Tone: look.Soft}}

func TestChartIsATableWithNumbersAndBars(t *testing.T) {
	got, err := look.Chart{Caption: "By class", Of: "Class", Series: series, Bars: []look.Bar{
		{Label: "human", Parts: []int{3, 1}}, {Label: "ci", Parts: []int{0, 2}}, {Label: "none", Parts: []int{0, 0}},
	}}.HTML()
	require.NoError(t, err)
	html := string(got)
	wellFormed(t, html)
	require.Contains(t, html, "<caption>By class</caption>")
	require.Contains(t, html, `<th scope="row">human</th>`)
	require.Contains(t, html, `<td class="number">3</td><td class="number">1</td>`)
	require.Contains(t, html, `<rect class="tone-accent" x="0" width="750" height="10"/><rect class="tone-soft" x="750" width="250" height="10"/>`)
	require.Contains(t, html, `<rect class="tone-soft" x="0" width="500" height="10"/>`)
	require.Equal(t, 3, strings.Count(html, `height="10"`), "what there is none of has no bar")
	require.NotContains(t, html, "style=")
}

func TestChartShowsOneAmongThousands(t *testing.T) {
	got, err := look.Chart{Series: series, Bars: []look.Bar{{Label: "a", Parts: []int{1, 0}}, {Label: "b", Parts: []int{0, 5000}}}}.HTML()
	require.NoError(t, err)
	require.Contains(t, string(got), `<rect class="tone-accent" x="0" width="6" height="10"/>`)
}

func TestChartEscapesLabels(t *testing.T) {
	got, err := look.Chart{Caption: "<b>", Series: series, Bars: []look.Bar{{Label: `<script>alert(1)</script>`, Parts: []int{1, 1}}}}.HTML()
	require.NoError(t, err)
	wellFormed(t, string(got))
	require.NotContains(t, string(got), "<script")
	require.NotContains(t, string(got), "<b>")
}

func TestChartRefusesABarOfOtherSeries(t *testing.T) {
	_, err := look.Chart{Caption: "By class", Series: series, Bars: []look.Bar{{Label: "human", Parts: []int{3}}}}.HTML()
	require.ErrorContains(t, err, `"human" has 1 parts for 2 series`)
}

// wellFormed reads the markup as XML, which a chart's happens to be.
func wellFormed(t *testing.T, markup string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(markup))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err, markup)
	}
}
