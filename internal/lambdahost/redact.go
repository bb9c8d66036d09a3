package lambdahost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/audit"
)

// removed stands where something looked like a secret, as in records.
const removed = "[removed]"

// secretEnds are ends of names whose values never show, without case, hyphens and underscores. A payload holds the task
// token.
var secretEnds = []string{
	"password", "passwd", "passphrase", "secret", "secretaccesskey", "secretkey", "privatekey", "token", "link", "cookie",
	"authorization", "credential", "payload",
}

// patterns find secrets by the words before them and by their form; what their first group holds stays.
var patterns = []*regexp.Regexp{
	// The way to an approver's pages, and to an owner's: whoever knows it, decides, or keeps a user.
	regexp.MustCompile(`(/[ao]/)[A-Za-z0-9_-]{16,}`),
	// token=…, "TaskToken":"…", secret: '…', also in a query and in JSON within a string.
	regexp.MustCompile(`(?i)((?:password|passwd|passphrase|secret|secret[_-]?access[_-]?key|secret[_-]?key|private[_-]?key|token|link|cookie|authorization)s?` +
		`[\\"']*\s*(?:=|:|%3D|%3A)\s*(?:basic |bearer )?)(?:\\*"[^"]*"|'[^']*'|[^\s"'&,;}\\]+)`),
	// The password is …, token "…".
	regexp.MustCompile(`(?i)((?:password|passphrase|secret|token|link)\s+(?:is\s+|was\s+)?)(?:"[^"]+"|'[^']+')`),
	regexp.MustCompile(`(?i)((?:password|passphrase|secret|token|link)\s+(?:is|was)\s+)\S*\d\S*`),
	regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)[a-z0-9._~+/=-]{8,}`),
	// https://user:password@host
	regexp.MustCompile(`(://[^/\s:@]+:)[^/\s@]+@`),
}

// longRun is long enough for a secret access key (40 characters), a link's secret (43), an SMTP password of SES (44), a
// MAC, or a token.
var longRun = regexp.MustCompile(`[A-Za-z0-9+/_-]{40,}`)

// redact takes what looks like a secret out of a text. It errs on the side of taking too much.
func redact(text string) string {
	text = audit.Redact(text)
	for _, p := range patterns {
		text = p.ReplaceAllString(text, "${1}"+removed)
	}
	return longRun.ReplaceAllStringFunc(text, func(run string) string {
		if random(run) {
			return removed
		}
		return run
	})
}

// random reports whether a long run has the form of random bytes in base64: these change between upper case, lower case
// and digits at every other character. Digests and request ids have one case only, UserIds too, and the store's keys are
// such things and words, between slashes and hyphens.
func random(run string) bool {
	changes := 0
	for _, piece := range strings.FieldsFunc(run, func(r rune) bool { return strings.ContainsRune("+/_-", r) }) {
		if strings.ToLower(piece) == piece || strings.ToUpper(piece) == piece {
			continue
		}
		for i := 1; i < len(piece); i++ {
			capital := i == 1 && isUpper(piece[0]) // of a word
			if class(piece[i-1]) != class(piece[i]) && !capital {
				changes++
			}
		}
	}
	return changes >= 8
}

func class(c byte) int {
	switch {
	case isUpper(c):
		return 0
	case '0' <= c && c <= '9':
		return 1
	}
	return 2
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// withoutSecrets is a slog.HandlerOptions.ReplaceAttr: it sees each attribute that is no group, with the names of the
// groups around it, and the message too.
func withoutSecrets(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.SourceKey || a.Key == slog.TimeKey || a.Key == slog.LevelKey {
		if len(groups) == 0 {
			return a
		}
	}
	for _, name := range append(groups[:len(groups):len(groups)], a.Key) {
		if secretName(name) {
			return slog.String(a.Key, removed)
		}
	}
	switch a.Value.Kind() {
	case slog.KindString:
		return slog.String(a.Key, redact(a.Value.String()))
	case slog.KindAny:
		return slog.Any(a.Key, withoutSecretsIn(a.Value.Any()))
	default: // numbers, times, yes or no
		return a
	}
}

// withoutSecretsIn gives a value as the JSON it would be logged as, redacted.
func withoutSecretsIn(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case error:
		return redact(v.Error())
	case []byte: // JSON would hide it in base64
		return redact(string(v))
	}
	b, err := json.Marshal(v)
	if err != nil {
		return redact(fmt.Sprintf("%T can't be logged: %v", v, err))
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var plain any
	if err := d.Decode(&plain); err != nil {
		return removed
	}
	return redacted(plain)
}

// redacted goes through decoded JSON.
func redacted(v any) any {
	switch v := v.(type) {
	case string:
		return redact(v)
	case []any:
		for i := range v {
			v[i] = redacted(v[i])
		}
	case map[string]any:
		for name, inner := range v {
			switch kept := redact(name); {
			case kept != name:
				delete(v, name)
				v[kept] = removed
			case secretName(name):
				v[name] = removed
			default:
				v[name] = redacted(inner)
			}
		}
	}
	return v
}

var joined = strings.NewReplacer("_", "", "-", "")

func secretName(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(joined.Replace(name)), "s")
	for _, end := range secretEnds {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}
