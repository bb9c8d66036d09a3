package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// removed stands where something looked like a secret.
const removed = "[removed]"

// secretNames are ends of field names that hold secrets, without case, hyphens and underscores.
var secretNames = []string{"password", "passwd", "passphrase", "secret", "secretaccesskey", "secretkey", "privatekey", "token", "link", "cookie"}

// foreignNames are fields under which AWS's customers chose the names themselves. A tag called "token" is no mistake
// of the program's, and must not keep a case from going on.
var foreignNames = map[string]bool{"tags": true, "inlinedocuments": true, "bodies": true}

// secretText finds a secret in a sentence by what stands before it, and private keys by their form, as well as the links
// that let approvers and owners in: one may have been pasted into a reason.
var secretText = regexp.MustCompile(`(?i)((?:\b|_)(?:password|passwd|passphrase|secret|secret_?access_?key|private_?key|token|link)["']?\s*[=:]\s*["']?)([^\s"'&,;]+)` +
	`|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?` +
	`|/[ao]/[A-Za-z0-9_-]{43}`)

// Redact takes what looks like a secret out of a sentence: what follows "password=", "token:" and the like, private keys,
// and the links of approvers and owners.
func Redact(text string) string {
	return secretText.ReplaceAllStringFunc(text, func(hit string) string {
		if m := secretText.FindStringSubmatch(hit); m[1] != "" {
			return m[1] + removed
		}
		return removed
	})
}

// clean gives data without what looks like a secret in its sentences, and refuses a field that is named like one.
func clean(data json.RawMessage) (json.RawMessage, error) {
	if len(data) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("its data is not JSON: %w", err)
	}
	c := cleaner{}
	v = c.value("data", v, false)
	if c.secret != "" {
		return nil, fmt.Errorf("its data has the field %s, which looks like a secret; leave it out", c.secret)
	}
	if !c.changed {
		return data, nil
	}
	b, err := encode(v)
	return bytes.TrimSpace(b), err
}

type cleaner struct {
	secret  string
	changed bool
}

func (c *cleaner) value(path string, v any, foreign bool) any {
	switch v := v.(type) {
	case string:
		if s := Redact(v); s != v {
			c.changed = true
			return s
		}
	case []any:
		for i := range v {
			v[i] = c.value(fmt.Sprintf("%s[%d]", path, i), v[i], foreign)
		}
	case map[string]any:
		for name, inner := range v {
			at := path + "." + name
			switch {
			case !secretName(name) || empty(inner):
				v[name] = c.value(at, inner, foreignNames[flat(name)])
			case foreign:
				v[name], c.changed = removed, true
			case c.secret == "" || at < c.secret:
				c.secret = at
			}
		}
	}
	return v
}

// joined leaves out what parts a name's words.
var joined = strings.NewReplacer("_", "", "-", "")

func flat(name string) string { return strings.ToLower(joined.Replace(name)) }

func secretName(name string) bool {
	name = flat(name)
	for _, end := range secretNames {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// empty values, and yes or no, hold no secret.
func empty(v any) bool {
	switch v := v.(type) {
	case nil, bool:
		return true
	case string:
		return v == "" || v == removed
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// Clean gives data as a record keeps it, for whoever hands a record on: what looks like a secret in its sentences is
// taken out, and a field that is named like one is an error.
func Clean(data json.RawMessage) (json.RawMessage, error) { return clean(data) }
