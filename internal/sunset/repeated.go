package sunset

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// Repeated names the first field that an object of a JSON document has twice, whatever the case of its letters, as
// "approvers[0].email"; empty where none has, or where the document can't be read so far. Of two fields encoding/json
// takes the last or mixes both, and nobody who reads the document can tell what holds.
func Repeated(document []byte) string {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	// One level for each object and array that is open.
	type level struct {
		seen map[string]bool // nil in an array
		name string          // the field whose value comes next; empty where a name does
		n    int             // which item of an array comes next
	}
	var open []*level
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		var top *level
		if len(open) > 0 {
			top = open[len(open)-1]
		}
		if text, isText := token.(string); isText && top != nil && top.seen != nil && top.name == "" {
			// Strings that differ in nothing but case fold alike, as encoding/json folds names.
			top.name = "." + strings.ToLower(strings.ToUpper(text))
			if top.seen[top.name] {
				var path strings.Builder
				for _, l := range open[:len(open)-1] {
					if l.seen == nil {
						path.WriteString("[" + strconv.Itoa(l.n) + "]")
						continue
					}
					path.WriteString(l.name)
				}
				return strings.TrimPrefix(path.String()+"."+text, ".")
			}
			top.seen[top.name] = true
			continue
		}
		switch token {
		case json.Delim('{'):
			open = append(open, &level{seen: map[string]bool{}})
			continue
		case json.Delim('['):
			open = append(open, &level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
			if len(open) == 0 {
				return ""
			}
			top = open[len(open)-1]
		}
		// A value has ended.
		if top != nil {
			top.name = ""
			top.n++
		}
	}
}
