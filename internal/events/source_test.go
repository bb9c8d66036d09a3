package events_test

import (
	"go/ast"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/events"
)

func TestEveryKindOfRecordHasItsEvent(t *testing.T) {
	s, told := newSource(), events.Told()
	for _, root := range []string{"../../internal", "../../cmd", "../../functions"} {
		require.NoError(t, s.addAll(root))
	}
	s.scan()
	require.Empty(t, s.missed(), "the kinds of these records can't be told: write them as literals or constants")
	require.Greater(t, len(s.kinds), 40, "the records are made in another way now, and this test sees them no more")
	for kind, place := range s.kinds {
		require.Contains(t, told, kind, "%s makes records of kind %q: add it to kinds.go and docs/events.md", place, kind)
	}
	for kind := range told {
		require.Contains(t, s.kinds, kind, "no record is of kind %q, but kinds.go has it", kind)
	}
}

// What is appended past (*workflow.Workflow).Append is published by nobody. Package audit appends manifests by itself, which
// closing a cleanup publishes.
func TestNothingIsAppendedUnpublished(t *testing.T) {
	s := newSource()
	for _, root := range []string{"../../internal", "../../cmd", "../../functions"} {
		require.NoError(t, s.addAll(root))
	}
	var places []string
	for dir, p := range s.pkgs {
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				if f, ok := n.(*ast.SelectorExpr); ok && f.Sel.Name == "Append" {
					if of, ok := f.X.(*ast.SelectorExpr); ok && of.Sel.Name == "Records" {
						places = append(places, filepath.Join(dir, filepath.Base(s.files.Position(n.Pos()).Filename)))
					}
				}
				return true
			})
		}
	}
	require.Equal(t, []string{"../../internal/workflow/records.go"}, places)
}

// kindsOf gives what is found in a package workflow with this body, beside the packages that it uses.
func kindsOf(t *testing.T, body string) (kinds, missed []string) {
	t.Helper()
	s := newSource()
	require.NoError(t, s.add("audit/audit.go", "package audit\nfunc f() { b.Append(ctx, Record{Chain: own, Kind: \"of-audit\"}) }"))
	require.NoError(t, s.add("account/account.go", "package account\ntype Phase string\nconst (\n\tIntent Phase = \"constant-elsewhere\"\n\tOther = 1\n)"))
	require.NoError(t, s.add("workflow/record.go", `package workflow
const started, other = "constant", "not"
func (w *W) record(ctx Context, r audit.Record, data any) error { return nil }
func (w *W) recordCase(ctx Context, c Case, kind, by string) error { return w.record(ctx, audit.Record{Kind: kind, By: by}, nil) }
func (w *W) Operated(ctx Context, kind string) error { return w.recordCase(ctx, c, kind, "not") }`))
	require.NoError(t, s.add("workflow/x.go", "package workflow\n"+body))
	require.NoError(t, s.add("elsewhere/x.go", "package elsewhere\nfunc f() { w.Operated(ctx, \"told-from-elsewhere\") }"))
	s.scan()
	kinds = slices.DeleteFunc(slices.Sorted(maps.Keys(s.kinds)), func(kind string) bool { return kind == "of-audit" || kind == "told-from-elsewhere" })
	require.Len(t, s.kinds, len(kinds)+2)
	return kinds, s.missed()
}

func TestKindsAreFoundHoweverTheyAreGiven(t *testing.T) {
	for body, want := range map[string][]string{
		`func f() { w.record(ctx, audit.Record{Chain: "not", Kind: "literal"}, nil) }`:                                               {"literal"},
		`func f() { r := &audit.Record{}; r.Kind = "set later" }`:                                                                    {"set later"},
		`func f(r audit.Record) { r.Kind = "set later" }`:                                                                            {"set later"},
		`func f() { var r audit.Record; r.Kind = "set later" }`:                                                                      {"set later"},
		`func f() { return w.recordCase(ctx, c, "argument", "not") }`:                                                                {"argument"},
		`func f() { w.Operated(ctx, "through two") }`:                                                                                {"through two"},
		`func f() { w.Operated(ctx, started) }`:                                                                                      {"constant"},
		`func f() { w.Operated(ctx, string(account.Intent)) }`:                                                                       {"constant-elsewhere"},
		`func f() { kind, by := "one", "not"; if x { kind, by = "two", "not" }; w.recordCase(ctx, c, kind, by) }`:                    {"one", "two"},
		`func f() { var kind = "one"; func() { w.recordCase(ctx, c, kind, "not") }() }`:                                              {"one"},
		`func f(s string) { const kind = "inner"; w.Operated(ctx, kind) }`:                                                           {"inner"},
		`func f(kind string) { if kind == "" { kind = "otherwise" }; w.Operated(ctx, kind) }; func g() { w.f("told") }`:              {"otherwise", "told"},
		`func f() { _ = sunset.Signal{Kind: "not"}; var c change; c.Kind = "not"; return audit.Record{}, err }`:                      nil,
		`func f() { w.tell(ctx, "not"); w.Append(ctx, r) }; func (w *W) tell(ctx Context, kind string) { fmt.Println("not", kind) }`: nil,
	} {
		kinds, missed := kindsOf(t, body)
		require.ElementsMatch(t, want, kinds, body)
		require.Empty(t, missed, body)
	}
}

func TestAKindThatCannotBeToldIsNoticed(t *testing.T) {
	for _, body := range []string{
		`func f() { w.record(ctx, audit.Record{Kind: c.Kind}, nil) }`,
		`func f() { w.record(ctx, audit.Record{"chain", 1, "kind"}, nil) }`,
		`func f() { w.Operated(ctx, kindOf(x)) }`,
		`func f() { w.Operated(ctx, string(c.Phase)) }`,
		`func f() { w.Operated(ctx, nowhere) }`,
		`func f() { w.Operated(ctx, "a"+b) }`,
		`func f() { kind, ok := both(); w.Operated(ctx, kind) }`,
		`func f() { kind := "seen"; kind = kindOf(x); w.Operated(ctx, kind) }`,
		`func f() { for _, kind := range kinds { w.Operated(ctx, kind) } }`,
		`func f() { func(kind string) { w.Operated(ctx, kind) }("a") }`,
		`func f() { r := audit.Record{}; r.Kind, ok = both() }`,
		`func f() { w.recordCase(both()) }`,
	} {
		_, missed := kindsOf(t, body)
		require.Len(t, missed, 1, body)
	}
}
