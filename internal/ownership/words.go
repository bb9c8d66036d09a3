package ownership

import "strings"

// words finds candidates' names, ids and access keys in text, as whole words: ci is not found in ci-deploy or
// circus, but in user/ci and "ci".
type words struct {
	// byStart has what to look for by the run of word characters that it starts with.
	byStart map[string][]word
}

type word struct {
	text      string
	how       string
	candidate int
}

func newWords(candidates []Candidate) *words {
	w := &words{byStart: map[string][]word{}}
	add := func(text, how string, i int) {
		if text != "" {
			start := text[:runLength(text)]
			w.byStart[start] = append(w.byStart[start], word{text, how, i})
		}
	}
	for i, c := range candidates {
		add(c.Name, "name", i) // an ARN ends with it
		add(c.UserID, "user-id", i)
		for _, k := range c.KeyIDs {
			add(k, "key-id", i)
		}
	}
	return w
}

// in gives each word that is in text, once.
func (w *words) in(text string) []word {
	var out []word
	seen := map[word]bool{}
	check := func(at int, start string) {
		for _, c := range w.byStart[start] {
			if !seen[c] && strings.HasPrefix(text[at:], c.text) && ends(text, at+len(c.text)) {
				seen[c] = true
				out = append(out, c)
			}
		}
	}
	for at := 0; at < len(text); {
		n := runLength(text[at:])
		if n > 0 {
			check(at, text[at:at+n])
			at += n
			continue
		}
		check(at, "") // names may start with one of +=,.@
		at++
	}
	return out
}

func ends(text string, at int) bool { return at == len(text) || !wordCharacter(text[at]) }

func runLength(s string) int {
	n := 0
	for n < len(s) && wordCharacter(s[n]) {
		n++
	}
	return n
}

func wordCharacter(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
