package ownership_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/ownership"
)

// However a policy is garbled: it is refused, or everybody whom it names as a principal, and every value that it
// compares callers with, is read. Written in IAM's encoding it says the same.
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::123456789012:user/old","AIDAEXAMPLE"]},"Action":"s3:*","Resource":"*"}]}`,
		`{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::123456789012:user/old"},"NotAction":["s3:*"],"NotResource":"*"}}`,
		`{"Statement":[{"Effect":"Allow","Principal":"*","Condition":{"ArnLike":{"aws:PrincipalArn":["arn:aws:iam::*:user/old"]},"Bool":{"aws:SecureTransport":true}}}]}`,
		`{"Statement":[{"Principal":{"AWS":"arn:aws:iam::1:user/a","AWS":"arn:aws:iam::1:user/b"}}]}`,
		`{"Statement":[{"Principal":{"AWS":"a"},"principal":"*"}]}`, `{"Statement":[{"Principal":{"AWS":"a"}}],"Statement":[]}`, `{"Statement":[null]}`,
		`%7B%22Statement%22%3A%5B%5D%7D`, ``, `[]`, `null`, `{"Statement":[{"Principal":{"Service":"ec2.amazonaws.com","Federated":"x","CanonicalUser":7}}]}`,
		`{"Statement":[{"Condition":{"StringEquals":{"aws:username":"a"},"StringEquals":{"aws:username":"b"}}}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ownership.ParsePolicy(text)
		if err != nil {
			require.ErrorContains(t, err, "reading a policy document: ")
			return
		}
		plain := strings.TrimSpace(text)
		if !strings.HasPrefix(plain, "{") {
			plain, err = url.PathUnescape(plain)
			require.NoError(t, err)
		}
		named, compared := map[string]bool{}, map[string]bool{}
		for _, s := range p.Statements {
			for _, x := range append(s.Principals, s.NotPrincipals...) {
				named[x.Value] = true
			}
			for _, c := range s.Conditions {
				for _, v := range c.Values {
					compared[strings.ToLower(c.Key)+"="+v] = true
				}
			}
		}
		for _, m := range members(plain) {
			switch {
			case len(m.path) >= 2 && m.path[0] == "statement" && (m.path[1] == "principal" || m.path[1] == "notprincipal"):
				require.True(t, named[m.text], "%q is named", m.text)
			case len(m.path) == 4 && m.path[0] == "statement" && m.path[1] == "condition":
				require.True(t, compared[m.path[3]+"="+m.text], "%s is compared with %q", m.path[3], m.text)
			}
		}
		encoded, err := ownership.ParsePolicy(strings.ReplaceAll(url.QueryEscape(plain), "+", "%20"))
		require.NoError(t, err)
		require.Len(t, encoded.Statements, len(p.Statements))
		for i := range p.Statements {
			require.ElementsMatch(t, p.Statements[i].Principals, encoded.Statements[i].Principals)
		}
	})
}

// member is a text of a JSON document, with the names that lead to it, in lower case; lists count for nothing.
type member struct {
	path []string
	text string
}

// members walks a document token by token, and so sees what is there twice.
func members(document string) []member {
	d := json.NewDecoder(bytes.NewReader([]byte(document)))
	d.UseNumber()
	var out []member
	var value func(path []string) bool
	value = func(path []string) bool {
		token, err := d.Token()
		if err != nil {
			return false
		}
		switch x := token.(type) {
		case json.Delim:
			for d.More() {
				next := path
				if x == '{' {
					name, err := d.Token()
					if err != nil {
						return false
					}
					next = append(append([]string{}, path...), strings.ToLower(fmt.Sprint(name)))
				}
				if !value(next) {
					return false
				}
			}
			_, err := d.Token()
			return err == nil
		case string:
			out = append(out, member{path, x})
		}
		return true
	}
	value(nil)
	return out
}
