package dossier

import (
	"encoding/json"
	"fmt"
	"strings"
)

// script writes recreate.sh.
func (r recipe) script() string {
	u := r.snap.User
	s := &shell{}
	s.line("#!/bin/sh")
	s.comment("Makes the IAM user %s of account %s again as it was on %s, credentials excepted.", u.Name, r.snap.Account, when(r.snap.Taken))
	s.comment("It needs the AWS CLI, and gives the user another UserId than %s.", u.ID)
	for _, text := range r.byHand {
		s.comment("Not made: %s", text)
	}
	for _, text := range r.names {
		s.comment("It was named: %s", text)
	}
	s.line("set -eu")
	s.line("account=$(aws sts get-caller-identity --query=Account --output=text)")
	s.line("if [ \"$account\" != %s ]; then", word(r.snap.Account))
	s.line("\techo \"These credentials are of account $account, and not of %s. Nothing was done.\" >&2", digits(r.snap.Account))
	s.line("\texit 1")
	s.line("fi")
	s.line("work=$(mktemp -d)")
	s.line("trap 'rm -rf \"$work\"' EXIT")
	s.line("user=%s", word(u.Name))

	s.line("")
	create := `aws iam create-user --user-name="$user" --path=` + word(u.Path)
	if u.Boundary != "" {
		create += " --permissions-boundary=" + word(u.Boundary)
	}
	if len(r.tags) > 0 {
		type tag struct{ Key, Value string }
		var tags []tag
		for _, t := range r.tags {
			tags = append(tags, tag{t.key, t.value})
		}
		b, err := json.Marshal(tags)
		if err != nil { // texts always have a JSON
			panic("dossier: tags that have no JSON: " + err.Error())
		}
		s.file("tags.json", string(b))
		create += ` --tags="file://$work/tags.json"`
	}
	s.line("%s", create)
	s.line("aws iam wait user-exists --user-name=\"$user\"")
	for _, g := range u.Groups {
		s.line(`aws iam add-user-to-group --user-name="$user" --group-name=%s`, word(g))
	}
	for i, p := range r.inline {
		name := fmt.Sprintf("inline-%d.json", i+1)
		s.file(name, p.value)
		s.line(`aws iam put-user-policy --user-name="$user" --policy-name=%s --policy-document="file://$work/%s"`, word(p.key), name)
	}
	for _, arn := range u.Attached {
		s.line(`aws iam attach-user-policy --user-name="$user" --policy-arn=%s`, word(arn))
	}
	s.line("")
	s.line("echo \"Made again: $user. Read what was not made in the comments of this script.\"")
	return s.text.String()
}

type shell struct{ text strings.Builder }

func (s *shell) line(format string, args ...any) { fmt.Fprintf(&s.text, format+"\n", args...) }

// comment writes one line, whatever is in it: a line break would end the comment.
func (s *shell) comment(format string, args ...any) {
	s.text.WriteString("# " + oneLine(fmt.Sprintf(format, args...)) + "\n")
}

// file writes a file with this content and nothing more.
func (s *shell) file(name, content string) {
	s.line("printf '%%s' %s >\"$work/%s\"", word(content), name)
}

// word is s as one word of a POSIX shell, which means s and nothing else.
func word(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// digits leaves of an account's id what may stand between double quotes.
func digits(account string) string {
	return strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, account)
}
