//go:build browser

package browser

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// violation is what axe-core found.
type violation struct {
	ID, Impact, Help string
	Nodes            []string
}

// All rules that stand for a published criterion, those of WCAG 2.2 included, and what is good practice beside them.
const runAxe = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"]})
	.then(r => r.violations.map(v => ({ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.map(n => n.html + " " + n.failureSummary)})))`

// tooWide names what reaches beyond a telephone's edge and has no scroll bar of its own. The browser would rather make the page
// wider than the screen than say so.
var tooWide = fmt.Sprintf(`(() => {
	const out = [], edge = %d;
	const wide = Math.max(innerWidth, document.scrollingElement.scrollWidth);
	if (wide > edge) out.push("page: " + wide + " wide");
	if (out.length) for (const e of document.querySelectorAll("main *")) {
		const reaches = e.getBoundingClientRect().left + Math.max(e.scrollWidth, e.offsetWidth || 0);
		if (reaches > edge && !e.closest(".scroll, .unseen")) out.push(e.outerHTML.slice(0, 200));
	}
	return out;
})()`, narrow)

var axe = sync.OnceValues(func() (string, error) {
	source, err := os.ReadFile(os.Getenv("IAM_SUNSET_AXE"))
	return string(source), err
})

// unpictured is for a page that looks like another one.
const unpictured = "unpictured"

// seen are the names of all pages that were looked at.
var seen sync.Map

// looks searches the page for barriers in both colour schemes and at both widths, for anything that reaches beyond the
// edge of a telephone, and takes its pictures: NAME.png, and of each form in also NAME-dark.png and NAME-narrow.png; none where
// that says unpictured.
func (b *tab) looks(name string, also ...string) {
	b.t.Helper()
	_, again := seen.LoadOrStore(name, true)
	require.False(b.t, again, "two pages are named %s", name)
	source, err := axe()
	require.NoError(b.t, err, "make test-browser says where axe-core is")
	require.True(b.t, asks[bool](b, source+"; typeof axe.run === 'function'"))
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.noBarriers(name, scheme)
		if scheme == "light" && !has(also, unpictured) || has(also, scheme) {
			b.picture(name, scheme)
		}
	}
	b.scheme("light")
	b.size(narrow, narrowTall)
	require.Empty(b.t, asks[[]string](b, tooWide), "%s is too wide for a telephone", name)
	b.noBarriers(name, "narrow")
	if has(also, "narrow") {
		b.picture(name, "narrow")
	}
	b.size(wide, tall)
}

func (b *tab) noBarriers(name, how string) {
	b.t.Helper()
	for _, v := range asks[[]violation](b, runAxe) {
		b.t.Errorf("%s (%s): %s, %s: %s\n\t%s", name, how, v.ID, v.Impact, v.Help, strings.Join(v.Nodes[:min(3, len(v.Nodes))], "\n\t"))
	}
}

func has(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

func contains(t *testing.T, text string, said ...string) {
	t.Helper()
	for _, s := range said {
		require.Contains(t, text, s)
	}
}

func containsAll(text string, said []string) bool {
	for _, s := range said {
		if !strings.Contains(text, s) {
			return false
		}
	}
	return true
}
