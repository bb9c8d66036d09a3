package dossier

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// terraform writes main.tf.
func (r recipe) terraform() string {
	u := r.snap.User
	var f hcl
	f.comment("The IAM user %s of account %s as it was on %s, credentials excepted.", u.Name, r.snap.Account, when(r.snap.Taken))
	f.comment("It gets another UserId than %s.", u.ID)
	f.comment("Have Terraform refuse any other account: provider \"aws\" { allowed_account_ids = [%q] }", r.snap.Account)
	for _, s := range r.byHand {
		f.comment("Not made: %s", s)
	}
	for _, s := range r.names {
		f.comment("It was named: %s", s)
	}
	f.block(`terraform`, nil, "  required_providers {\n    aws = {\n      source = \"hashicorp/aws\"\n    }\n  }\n")

	about := []pair{{"name", quoted(u.Name)}, {"path", quoted(u.Path)}}
	if u.Boundary != "" {
		about = append(about, pair{"permissions_boundary", quoted(u.Boundary)})
	}
	tags := ""
	if len(r.tags) > 0 {
		var inner []pair
		for _, t := range r.tags {
			inner = append(inner, pair{quoted(t.key), quoted(t.value)})
		}
		tags = "\n  tags = {\n" + aligned("    ", inner) + "  }\n"
	}
	f.block(`resource "aws_iam_user" "it"`, about, tags)

	user := "aws_iam_user.it.name"
	if len(u.Groups) > 0 {
		groups := make([]string, len(u.Groups))
		for i, g := range u.Groups {
			groups[i] = quoted(g)
		}
		f.block(`resource "aws_iam_user_group_membership" "it"`, []pair{{"user", user}, {"groups", "[" + strings.Join(groups, ", ") + "]"}}, "")
	}
	for i, p := range r.inline {
		f.block(fmt.Sprintf(`resource "aws_iam_user_policy" "inline_%d"`, i+1), []pair{{"name", quoted(p.key)}, {"user", user}, {"policy", quoted(p.value)}}, "")
	}
	for i, arn := range u.Attached {
		f.block(fmt.Sprintf(`resource "aws_iam_user_policy_attachment" "attached_%d"`, i+1), []pair{{"user", user}, {"policy_arn", quoted(arn)}}, "")
	}
	return f.text.String()
}

// hcl writes Terraform's language as terraform fmt would.
type hcl struct {
	text         strings.Builder
	afterComment bool
}

// comment writes one line, whatever is in it: a line break would end the comment.
func (f *hcl) comment(format string, args ...any) {
	if f.text.Len() > 0 && !f.afterComment {
		f.text.WriteByte('\n')
	}
	f.text.WriteString("# " + oneLine(fmt.Sprintf(format, args...)) + "\n")
	f.afterComment = true
}

// block writes head with its attributes, then rest as it is.
func (f *hcl) block(head string, attributes []pair, rest string) {
	if f.text.Len() > 0 && (!f.afterComment || head == "terraform") {
		f.text.WriteByte('\n')
	}
	f.text.WriteString(head + " {\n" + aligned("  ", attributes) + rest + "}\n")
	f.afterComment = false
}

// aligned puts the equal signs of consecutive lines below each other.
func aligned(indent string, pairs []pair) string {
	width := 0
	for _, p := range pairs {
		width = max(width, len([]rune(p.key)))
	}
	var b strings.Builder
	for _, p := range pairs {
		b.WriteString(indent + p.key + strings.Repeat(" ", width-len([]rune(p.key))) + " = " + p.value + "\n")
	}
	return b.String()
}

// opening is what would begin one in a quoted string: any number of dollar or per cent signs, and a brace.
var opening = regexp.MustCompile(`(\$+|%+)\{`)

// quoted is s as a string of Terraform's language that means s and nothing else.
// https://developer.hashicorp.com/terraform/language/expressions/strings
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	last := 0
	for _, at := range opening.FindAllStringIndex(s, -1) {
		escape(&b, s[last:at[0]])
		switch signs := s[at[0] : at[1]-1]; len(signs) {
		case 1:
			b.WriteString(signs + signs + "{")
		default:
			// How several signs and a brace are read depends on how they pair up; written as code points they begin nothing.
			for _, sign := range signs {
				fmt.Fprintf(&b, `\u%04x`, sign)
			}
			b.WriteByte('{')
		}
		last = at[1]
	}
	escape(&b, s[last:])
	b.WriteByte('"')
	return b.String()
}

func escape(b *strings.Builder, s string) {
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsControl(c), unicode.Is(unicode.Bidi_Control, c), c == '\u2028', c == '\u2029':
			fmt.Fprintf(b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
