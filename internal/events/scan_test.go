package events_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// source is Go source, looked through for the kinds of the records that it makes.
//
// A kind is whatever ends up in the field Kind of an audit.Record: a literal, a constant, what a variable was set to, or
// an argument of a function that writes it there. What can't be followed is told, never passed over.
type source struct {
	files *token.FileSet
	pkgs  map[string]*pkg // by folder
	// exported has the exported functions that take a kind, whoever calls them.
	exported map[string]int
	kinds    map[string]string // each with a place that makes it
	lost     map[string]bool   // places where a kind can't be told
}

type pkg struct {
	name      string
	files     []*ast.File
	constants map[string]ast.Expr
	takers    map[string]int // functions that take a kind, and as which argument
}

func newSource() *source {
	return &source{token.NewFileSet(), map[string]*pkg{}, map[string]int{}, map[string]string{}, map[string]bool{}}
}

// add parses a file; text nil: it is read.
func (s *source) add(path string, text any) error {
	file, err := parser.ParseFile(s.files, path, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	p := s.pkgs[dir]
	if p == nil {
		p = &pkg{name: file.Name.Name, constants: map[string]ast.Expr{}, takers: map[string]int{}}
		s.pkgs[dir] = p
	}
	p.files = append(p.files, file)
	for _, d := range file.Decls {
		d, ok := d.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			continue
		}
		for _, spec := range d.Specs {
			v := spec.(*ast.ValueSpec)
			for i, name := range v.Names {
				if i < len(v.Values) {
					p.constants[name.Name] = v.Values[i]
				}
			}
		}
	}
	return nil
}

// addAll parses all but the tests below a folder.
func (s *source) addAll(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		return s.add(path, nil)
	})
}

// scan looks through everything until no more functions are found that take a kind.
func (s *source) scan() {
	for known := -1; ; {
		now := len(s.exported)
		for _, p := range s.pkgs {
			now += len(p.takers)
		}
		if now == known {
			return
		}
		known = now
		for _, p := range s.pkgs {
			for _, file := range p.files {
				for _, d := range file.Decls {
					ast.Inspect(d, scope{s, p, d}.visit)
				}
			}
		}
	}
}

func (s *source) missed() []string { return slices.Sorted(maps.Keys(s.lost)) }

// scope is one declaration: what happens to a name is looked for in it.
type scope struct {
	*source
	pkg  *pkg
	decl ast.Decl
}

func (s scope) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CompositeLit:
		if s.isRecord(n.Type) {
			s.literal(n)
		}
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			field, ok := left.(*ast.SelectorExpr)
			if !ok || field.Sel.Name != "Kind" || !s.holdsRecord(field.X) {
				continue
			}
			if len(n.Lhs) != len(n.Rhs) {
				s.lose(n)
				continue
			}
			s.take(n.Rhs[i])
		}
	case *ast.CallExpr:
		if i, ok := s.taker(n.Fun); ok {
			if i >= len(n.Args) {
				s.lose(n)
				break
			}
			s.take(n.Args[i])
		}
	}
	return true
}

// literal takes the kind of a record. An empty one is a record that is still to be filled in, or none.
func (s scope) literal(n *ast.CompositeLit) {
	for _, e := range n.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			s.lose(n)
			return
		}
		if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Kind" {
			s.take(kv.Value)
		}
	}
}

func (s scope) isRecord(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.SelectorExpr:
		pkg, ok := t.X.(*ast.Ident)
		return ok && pkg.Name == "audit" && t.Sel.Name == "Record"
	case *ast.Ident:
		return s.pkg.name == "audit" && t.Name == "Record"
	case *ast.StarExpr:
		return s.isRecord(t.X)
	}
	return false
}

// holdsRecord reports whether a variable of the declaration is a record.
func (s scope) holdsRecord(e ast.Expr) bool {
	name, ok := e.(*ast.Ident)
	if !ok {
		return false
	}
	holds := false
	for _, value := range s.values(name.Name) {
		if u, ok := value.(*ast.UnaryExpr); ok {
			value = u.X
		}
		lit, ok := value.(*ast.CompositeLit)
		holds = holds || ok && s.isRecord(lit.Type)
	}
	ast.Inspect(s.decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			holds = holds || s.isRecord(n.Type) && slices.ContainsFunc(n.Names, func(i *ast.Ident) bool { return i.Name == name.Name })
		case *ast.ValueSpec:
			holds = holds || s.isRecord(n.Type) && slices.ContainsFunc(n.Names, func(i *ast.Ident) bool { return i.Name == name.Name })
		}
		return true
	})
	return holds
}
