package events

// Telling is a row of the table of kinds.
type Telling struct {
	Name   string
	Fields []string
}

// Told is the table of kinds.
func Told() map[string]Telling {
	out := map[string]Telling{}
	for kind, t := range told {
		out[kind] = Telling{t.name, t.fields}
	}
	return out
}
