package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
)

const repository = "../../"

// pages are those that tell people what to run.
var pages = []string{"README.md", "docs/operations.md", "docs/one-machine.md", "docs/scan.md", "docs/messages.md", "docs/sign-in.md", "docs/audit.md", "docs/bundle.md", "docs/design.md", "docs/settings.md", "docs/events.md", "docs/performance.md", "terraform/README.md"}

func pageText(t *testing.T, page string) string {
	t.Helper()
	b, err := os.ReadFile(repository + page)
	require.NoError(t, err)
	return string(b)
}

var (
	// A command is a line of its own, or stands between backquotes.
	onItsOwn = regexp.MustCompile(`(?m)^ {4,}(?:bin/)?iam-sunset ([^\n]*?)(?: +#.*| +>.*)?$`)
	inText   = regexp.MustCompile("`(?:bin/)?iam-sunset ([a-z][^`]*)`")
	word     = regexp.MustCompile(`"[^"]*"|\S+`)
)

// Whatever the pages say to run is there, with those flags.
func TestPagesNameCommandsThatThereAre(t *testing.T) {
	noAWS(t)
	told := map[string]bool{}
	for _, page := range pages {
		text := pageText(t, page)
		for _, found := range append(onItsOwn.FindAllStringSubmatch(text, -1), inText.FindAllStringSubmatch(text, -1)...) {
			var args []string
			for _, w := range word.FindAllString(found[1], -1) {
				args = append(args, strings.Trim(w, `"`))
			}
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), append(args, "--help"), surroundings{stdout: &stdout, stderr: &stderr, clock: clock.Wall{}})
			require.Zero(t, code, "%s: iam-sunset %s: %s", page, found[1], stderr.String())
			// A command that isn't there answers with everybody's help.
			require.Contains(t, stdout.String(), "\nUsage:\n  iam-sunset "+args[0], "%s: iam-sunset %s", page, found[1])
			told[args[0]] = true
		}
	}
	for _, command := range []string{"scan", "start", "status", "history", "pause", "resume", "stop", "rescue", "approve", "deploy", "rehearse", "audit", "serve", "dashboard"} {
		require.True(t, told[command], "no page tells of %s", command)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	unsaid  = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// anchors are what a page's headings are linked by.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		out[strings.ReplaceAll(unsaid.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	return out
}

func TestPagesLinkToWhatIsThere(t *testing.T) {
	seen := 0
	for _, page := range pages {
		for _, l := range link.FindAllStringSubmatch(pageText(t, page), -1) {
			if strings.Contains(l[1], "://") {
				continue
			}
			seen++
			file, anchor, _ := strings.Cut(l[1], "#")
			to := page
			if file != "" {
				to = filepath.Join(filepath.Dir(page), file)
			}
			_, err := os.Stat(repository + to)
			require.NoError(t, err, "%s links to %s", page, l[1])
			if anchor != "" {
				require.True(t, anchors(pageText(t, to))[anchor], "%s links to %s", page, l[1])
			}
		}
	}
	require.NotZero(t, seen)
}

// An alarm says where it is told what to do.
func TestAlarmsHaveASectionOfTheirOwn(t *testing.T) {
	files, err := filepath.Glob(repository + "terraform/*.tf")
	require.NoError(t, err)
	there := anchors(pageText(t, "docs/operations.md"))
	seen := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, named := range regexp.MustCompile(`docs/operations\.md#([a-z0-9-]+)`).FindAllStringSubmatch(string(b), -1) {
			seen++
			require.True(t, there[named[1]], "%s: docs/operations.md has no section %s", file, named[1])
		}
	}
	require.GreaterOrEqual(t, seen, 8)
}
