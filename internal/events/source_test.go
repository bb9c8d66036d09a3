package events_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/events"
)

// computed are kinds that the source does not write down where it makes the record.
var computed = []string{"intent", "execution-ended", "message-sent", "message-given-up"}

// kindsOf gives the kinds of records that a file makes: the field Kind of a Record, and recordCase's argument.
func kindsOf(file *ast.File) []string {
	var kinds []string
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if kind, err := strconv.Unquote(lit.Value); err == nil {
				kinds = append(kinds, kind)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			name := ""
			switch t := n.Type.(type) {
			case *ast.SelectorExpr:
				if pkg, ok := t.X.(*ast.Ident); ok && pkg.Name == "audit" {
					name = t.Sel.Name
				}
			case *ast.Ident:
				if file.Name.Name == "audit" {
					name = t.Name
				}
			}
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok && name == "Record" {
					if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Kind" {
						add(kv.Value)
					}
				}
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "recordCase" && len(n.Args) > 2 {
				add(n.Args[2])
			}
		case *ast.AssignStmt:
			// A record that is filled in later, or whose kind a variable of that name holds.
			for i, left := range n.Lhs {
				field, isField := left.(*ast.SelectorExpr)
				name, isName := left.(*ast.Ident)
				if i < len(n.Rhs) && len(n.Lhs) == len(n.Rhs) && (isField && field.Sel.Name == "Kind" || isName && name.Name == "kind") && recording(file) {
					add(n.Rhs[i])
				}
			}
		}
		return true
	})
	return kinds
}

// recording reports whether a file has to do with records at all.
func recording(file *ast.File) bool {
	for _, i := range file.Imports {
		if strings.HasSuffix(i.Path.Value, `/internal/audit"`) {
			return file.Name.Name == "workflow"
		}
	}
	return false
}

func kindsInSource(t *testing.T) map[string]string {
	t.Helper()
	kinds := map[string]string{}
	for _, root := range []string{"../../internal", "../../cmd", "../../functions"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, kind := range kindsOf(file) {
				kinds[kind] = path
			}
			return nil
		}))
	}
	return kinds
}

func TestEveryKindOfRecordHasItsEvent(t *testing.T) {
	found, told := kindsInSource(t), events.Told()
	require.Greater(t, len(found), 25, "the records are made in another way now, and this test sees them no more")
	for kind, path := range found {
		require.Contains(t, told, kind, "%s makes records of kind %q: add it to kinds.go and docs/events.md", path, kind)
	}
	for kind := range told {
		if _, ok := found[kind]; !ok {
			require.Contains(t, computed, kind, "no record is of kind %q, but kinds.go has it", kind)
		}
	}
}

func TestTheSourceIsReadRight(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", `package workflow
import "example.com/internal/audit"
func f() {
	w.recordCase(ctx, c, "one", "by", "key", "text", nil)
	_ = audit.Record{Chain: "x", Kind: "two"}
	_ = sunset.Signal{Kind: "not"}
	kind := "three"
	r.Kind = "four"
}`, parser.SkipObjectResolution)
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two", "three", "four"}, kindsOf(file))
}
