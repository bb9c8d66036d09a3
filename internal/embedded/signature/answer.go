package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// MAC is what whoever has the key puts under an answer to a request with this Authorization header, so that its sender
// knows who answered, and that it is all of the answer. It is empty for the zero Key.
func (k Key) MAC(authorization string, status int, body []byte) string {
	if k.ID == "" || k.Secret == "" {
		return ""
	}
	// A key of its own: nothing that is signed as a request can pass for an answer.
	derived := hmac.New(sha256.New, []byte(k.Secret))
	derived.Write([]byte("iam-sunset answer"))
	mac := hmac.New(sha256.New, derived.Sum(nil))
	fmt.Fprintf(mac, "%d\n%d\n%s\n", status, len(authorization), authorization)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Answered reports whether mac is under that answer.
func (k Key) Answered(mac, authorization string, status int, body []byte) bool {
	want := k.MAC(authorization, status, body)
	return want != "" && hmac.Equal([]byte(mac), []byte(want))
}
