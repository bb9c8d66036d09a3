package events_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
)

// values are what a variable of the declaration is set to; nil among them: it can't be told.
func (s scope) values(name string) []ast.Expr {
	var out []ast.Expr
	set := func(names, values []ast.Expr) {
		for i, n := range names {
			if ident, ok := n.(*ast.Ident); ok && ident.Name == name {
				if len(names) == len(values) {
					out = append(out, values[i])
				} else {
					out = append(out, nil)
				}
			}
		}
	}
	ast.Inspect(s.decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			set(n.Lhs, n.Rhs)
		case *ast.RangeStmt:
			set([]ast.Expr{n.Key, n.Value}, nil)
		case *ast.ValueSpec:
			var names []ast.Expr
			for _, i := range n.Names {
				names = append(names, i)
			}
			if len(n.Values) > 0 {
				set(names, n.Values)
			}
		}
		return true
	})
	return out
}

// take follows a kind to where it is written down.
func (s scope) take(e ast.Expr) {
	if kind, ok := s.constant(e); ok {
		s.kinds[kind] = s.files.Position(e.Pos()).String()
		return
	}
	name, ok := e.(*ast.Ident)
	if !ok {
		s.lose(e)
		return
	}
	values := s.values(name.Name)
	at := s.parameter(name.Name)
	if len(values) == 0 && at < 0 {
		s.lose(e)
	}
	for _, value := range values {
		kind, ok := s.constant(value)
		if !ok {
			s.lose(e)
			continue
		}
		s.kinds[kind] = s.files.Position(value.Pos()).String()
	}
	if at >= 0 {
		f := s.decl.(*ast.FuncDecl).Name.Name
		s.pkg.takers[f] = at
		if ast.IsExported(f) {
			s.exported[f] = at
		}
	}
}

// constant gives the text of a literal or a constant, here or in another package, also where it is converted to string.
func (s scope) constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		if s.pkg.constants[e.Name] != nil && len(s.values(e.Name)) == 0 && s.parameter(e.Name) < 0 {
			return s.constant(s.pkg.constants[e.Name])
		}
	case *ast.SelectorExpr:
		from, ok := e.X.(*ast.Ident)
		for _, p := range s.pkgs {
			if ok && p.name == from.Name && p.constants[e.Sel.Name] != nil {
				return scope{s.source, p, &ast.GenDecl{}}.constant(p.constants[e.Sel.Name])
			}
		}
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.Ident); ok && f.Name == "string" && len(e.Args) == 1 {
			return s.constant(e.Args[0])
		}
	}
	return "", false
}

// parameter is the number of a parameter of the function that is declared, or negative.
func (s scope) parameter(name string) int {
	f, ok := s.decl.(*ast.FuncDecl)
	if !ok {
		return -1
	}
	var all []string
	for _, field := range f.Type.Params.List {
		for _, n := range field.Names {
			all = append(all, n.Name)
		}
	}
	return slices.Index(all, name)
}

// taker reports whether a function that is called takes a kind.
func (s scope) taker(called ast.Expr) (argument int, ok bool) {
	switch f := called.(type) {
	case *ast.Ident:
		argument, ok = s.pkg.takers[f.Name]
	case *ast.SelectorExpr:
		if argument, ok = s.pkg.takers[f.Sel.Name]; !ok {
			argument, ok = s.exported[f.Sel.Name]
		}
	}
	return argument, ok
}

func (s scope) lose(n ast.Node) { s.lost[s.files.Position(n.Pos()).String()] = true }
