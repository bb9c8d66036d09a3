package ownership_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/ownership"
)

func TestParsePolicy(t *testing.T) {
	user := ownership.Principal{Kind: "AWS", Value: "arn:aws:iam::123456789012:user/ci"}
	for _, row := range []struct {
		name, text string
		want       []ownership.Statement
	}{
		{"nothing", "", nil},
		{
			"one statement, not a list", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}`,
			[]ownership.Statement{{Effect: "Allow", Principals: []ownership.Principal{{Kind: "*", Value: "*"}}, Actions: []string{"s3:*"}, Resources: []string{"*"}}},
		},
		{
			"lists", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::123456789012:user/ci"]},"NotAction":["a:b","c:d"],"NotResource":["x"]}]}`,
			[]ownership.Statement{{Effect: "Deny", NotPrincipals: []ownership.Principal{user}, NotActions: []string{"a:b", "c:d"}, NotResources: []string{"x"}}},
		},
		{
			"any case", `{"statement":[{"effect":"Allow","PRINCIPAL":{"aws":"arn:aws:iam::123456789012:user/ci"},"action":"a:b"}]}`,
			[]ownership.Statement{{Effect: "Allow", Principals: []ownership.Principal{user}, Actions: []string{"a:b"}}},
		},
		{
			"conditions with booleans and numbers", `{"Statement":{"Effect":"Allow","Action":"a:b","Condition":{"Bool":{"aws:SecureTransport":true}}}}`,
			[]ownership.Statement{{Effect: "Allow", Actions: []string{"a:b"}, Conditions: []ownership.Condition{{Operator: "Bool", Key: "aws:SecureTransport", Values: []string{"true"}}}}},
		},
		{
			"URL-encoded", `%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22a%3A%2B%22%7D%7D`,
			[]ownership.Statement{{Effect: "Allow", Actions: []string{"a:+"}}},
		},
		{
			"services", `{"Statement":{"Effect":"Allow","Principal":{"service":["ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}}`,
			[]ownership.Statement{{Effect: "Allow", Principals: []ownership.Principal{{Kind: "Service", Value: "ec2.amazonaws.com"}}, Actions: []string{"sts:AssumeRole"}}},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, err := ownership.ParsePolicy(row.text)
			require.NoError(t, err)
			require.Equal(t, row.want, p.Statements)
		})
	}
	for _, text := range []string{"{", `{"Statement":"x"}`, `{"Statement":{"Action":{"a":1}}}`, `{"Statement":{"Principal":7}}`, "%zz"} {
		_, err := ownership.ParsePolicy(text)
		require.Error(t, err, text)
	}
}
