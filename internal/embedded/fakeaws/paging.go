package fakeaws

import (
	"encoding/base64"
	"strings"
)

// pageOf cuts a page of at most size items (one where a fault asks for the shortest) that come after token. The
// token of the next page, empty at the end, names the page's last item, so that items made or gone meanwhile shift
// nothing. ok is false for a token that no page gave out.
func pageOf[T any](r *request, items []T, key func(T) string, token string, size int) (page []T, next string, ok bool) {
	const mark = "after:"
	if token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		after, found := strings.CutPrefix(string(raw), mark)
		if err != nil || !found {
			return nil, "", false
		}
		for len(items) > 0 && key(items[0]) <= after {
			items = items[1:]
		}
	}
	if r.cutPage {
		size = 1
	}
	if len(items) > size {
		return items[:size], base64.RawURLEncoding.EncodeToString([]byte(mark + key(items[size-1]))), true
	}
	return items, "", true
}
