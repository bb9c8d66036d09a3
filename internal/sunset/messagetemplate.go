package sunset

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template/parse"
)

// MessageTemplate is a subject or a text in the form of Go's text/template, of which it knows what messages need: fields,
// if, else, with, and the functions eq, ne, and, or, not. All values are texts; an empty one is false. A field is the
// message's wherever it stands, also within a with.
//
// It is filled in here, and not by text/template, because that reaches methods by names that it reads: the linker then keeps
// every method of the AWS SDK in every function's program, a third more of it.
type MessageTemplate struct{ root *parse.ListNode }

// ParseMessage reads a template of a kind's fields. Whatever it knows it can also fill in, whatever the values are. The
// error says in a few words what it doesn't know.
func ParseMessage(kind MessageKind, text string) (MessageTemplate, error) {
	functions := map[string]any{"eq": true, "ne": true, "and": true, "or": true, "not": true}
	trees, err := parse.Parse(string(kind), text, "", "", functions)
	switch {
	case err != nil:
		// "template: notice:1: unexpected …": which message it is stands before it already.
		return MessageTemplate{}, fmt.Errorf("it is no template: line %s", strings.TrimPrefix(err.Error(), "template: "+string(kind)+":"))
	case len(trees) > 1:
		return MessageTemplate{}, errors.New("it defines another template, which messages can't")
	case trees[string(kind)] == nil:
		return MessageTemplate{}, nil
	}
	t := MessageTemplate{trees[string(kind)].Root}
	return t, knownFields(MessageFields()[kind]).list(t.root)
}

// Fill gives the text with values in it. A field that values don't have is empty.
func (t MessageTemplate) Fill(values map[string]string) string {
	var out strings.Builder
	(&filling{values: values, out: &out}).list(t.root, "")
	return out.String()
}

// knownFields checks a template against the fields that it may use: all branches, since filling one in sees only those that
// the values lead to.
type knownFields []string

func (known knownFields) list(l *parse.ListNode) error {
	if l == nil {
		return nil
	}
	for _, node := range l.Nodes {
		var err error
		switch n := node.(type) {
		case *parse.TextNode, *parse.CommentNode:
		case *parse.ActionNode:
			err = known.pipe(n.Pipe)
		case *parse.IfNode:
			err = known.branches(n.BranchNode)
		case *parse.WithNode:
			err = known.branches(n.BranchNode)
		default:
			err = unknownWords(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (known knownFields) branches(n parse.BranchNode) error {
	for _, err := range []error{known.pipe(n.Pipe), known.list(n.List), known.list(n.ElseList)} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (known knownFields) pipe(p *parse.PipeNode) error {
	if len(p.Decl) > 0 || len(p.Cmds) != 1 {
		return unknownWords(p)
	}
	args := p.Cmds[0].Args
	if f, ok := args[0].(*parse.IdentifierNode); ok {
		if least := map[string]int{"not": 1}[f.Ident]; f.Ident == "not" && len(args) != 2 || least == 0 && len(args) < 3 {
			return fmt.Errorf("%s: %s needs something to work on", p, f.Ident)
		}
		args = args[1:]
	} else if len(args) > 1 {
		return unknownWords(p)
	}
	for _, arg := range args {
		if err := known.value(arg); err != nil {
			return err
		}
	}
	return nil
}

func (known knownFields) value(node parse.Node) error {
	switch n := node.(type) {
	case *parse.StringNode, *parse.DotNode:
		return nil
	case *parse.PipeNode:
		return known.pipe(n)
	case *parse.FieldNode:
		return known.field(n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			return known.field(n.Ident[1:])
		}
	}
	return unknownWords(node)
}

func (known knownFields) field(names []string) error {
	switch {
	case !slices.Contains(known, names[0]):
		return fmt.Errorf("it has no field %q; there are %s", names[0], strings.Join(known, ", "))
	case len(names) > 1:
		return fmt.Errorf("%q has no fields of its own", names[0])
	}
	return nil
}

func unknownWords(n parse.Node) error {
	head, _, _ := strings.Cut(n.String(), "}}")
	return fmt.Errorf("%s: messages know fields such as {{.user}}, if, with, else, end, eq, ne, and, or, not, and texts in quotes", strings.TrimPrefix(head, "{{"))
}

// filling writes a checked template. dot is what the innermost with has set.
type filling struct {
	values map[string]string
	out    *strings.Builder
}

func (f *filling) list(l *parse.ListNode, dot string) {
	if l == nil {
		return
	}
	for _, node := range l.Nodes {
		switch n := node.(type) {
		case *parse.TextNode:
			f.out.Write(n.Text)
		case *parse.ActionNode:
			f.out.WriteString(f.pipe(n.Pipe, dot))
		case *parse.IfNode:
			f.branch(n.BranchNode, dot, dot)
		case *parse.WithNode:
			f.branch(n.BranchNode, dot, f.pipe(n.Pipe, dot))
		}
	}
}

func (f *filling) branch(n parse.BranchNode, dot, inner string) {
	if f.pipe(n.Pipe, dot) != "" {
		f.list(n.List, inner)
	} else {
		f.list(n.ElseList, dot)
	}
}

// yes is what a comparison gives, and what an empty text stands against.
const yes = "true"

func truth(is bool) string {
	if is {
		return yes
	}
	return ""
}

func (f *filling) pipe(p *parse.PipeNode, dot string) string {
	args := p.Cmds[0].Args
	function, ok := args[0].(*parse.IdentifierNode)
	if !ok {
		return f.value(args[0], dot)
	}
	var values []string
	for _, arg := range args[1:] {
		values = append(values, f.value(arg, dot))
	}
	last := values[len(values)-1]
	switch function.Ident {
	case "eq":
		return truth(slices.Contains(values[1:], values[0]))
	case "ne":
		return truth(!slices.Contains(values[1:], values[0]))
	case "and": // the first that is empty, or the last
		if slices.Contains(values, "") {
			return ""
		}
		return last
	case "or": // the first that isn't empty, or the last
		return cmp.Or(values...)
	}
	return truth(values[0] == "")
}

func (f *filling) value(node parse.Node, dot string) string {
	switch n := node.(type) {
	case *parse.StringNode:
		return n.Text
	case *parse.DotNode:
		return dot
	case *parse.PipeNode:
		return f.pipe(n, dot)
	case *parse.FieldNode:
		return f.values[n.Ident[0]]
	case *parse.VariableNode:
		return f.values[n.Ident[1]]
	}
	return ""
}
