package store

import (
	"encoding/json"
	"reflect"
	"strings"
)

// KeepUnknown gives now, the JSON object that a row of type T is about to hold, with those fields of was, the row before,
// that T doesn't have. A newer release may have written them, and an older one, with which a case goes on until its end,
// must not take away what it can't read. Fields within fields are not looked at, and a row that becomes another thing's,
// which its field id tells, keeps nothing.
func KeepUnknown[T any](was, now []byte) ([]byte, error) {
	kind := reflect.TypeFor[T]()
	if len(was) == 0 || kind.Kind() != reflect.Struct {
		return now, nil
	}
	var before, after map[string]json.RawMessage
	if err := json.Unmarshal(was, &before); err != nil {
		return nil, err
	}
	for _, f := range reflect.VisibleFields(kind) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		if name != "id" {
			delete(before, name)
		}
	}
	id := before["id"]
	delete(before, "id")
	if len(before) == 0 {
		return now, nil
	}
	if err := json.Unmarshal(now, &after); err != nil {
		return nil, err
	}
	if string(after["id"]) != string(id) {
		return now, nil
	}
	for name, value := range before {
		if _, taken := after[name]; !taken {
			after[name] = value
		}
	}
	return json.Marshal(after)
}
