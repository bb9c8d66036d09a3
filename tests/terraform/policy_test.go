//go:build terraform

package terraform

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// policy is a policy document.
type policy struct {
	Statement []statement
}

type statement struct {
	Sid, Effect                 string
	Principal                   any
	Action, NotAction, Resource texts
	Condition                   map[string]map[string]texts
}

// texts is one text or a list of them, as policies have it.
type texts []string

func (x *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*x = texts{one}
		return nil
	}
	var many []string
	err := json.Unmarshal(b, &many)
	*x = many
	return err
}

func parsed(t *testing.T, document string) policy {
	t.Helper()
	var p policy
	require.NoError(t, json.Unmarshal([]byte(document), &p))
	require.NotEmpty(t, p.Statement)
	return p
}

// policies are the functions' own policies, by function. What a function may do with KMS is not in them: see keyPolicies.
func (p plan) policies(t *testing.T) map[string]policy {
	t.Helper()
	out := map[string]policy{}
	for _, r := range p.all(t, "aws_iam_role_policy") {
		if r.Key != "" {
			out[r.Key] = parsed(t, r.text(t, "policy"))
		}
	}
	return out
}

// keyPolicies are the policies of KMS keys, by the names of the keys in keys.tf.
func (p plan) keyPolicies(t *testing.T) map[string]policy {
	t.Helper()
	out := map[string]policy{}
	for _, name := range []string{"data", "executions", "decisions", "links", "owners", "sealing"} {
		out[name] = parsed(t, p.one(t, "aws_kms_key."+name).text(t, "policy"))
	}
	return out
}

// allowed are the statements that allow an action by its full name: no wildcards are used in what is allowed.
func (p policy) allowed(action string) []statement {
	var out []statement
	for _, s := range p.Statement {
		for _, a := range s.Action {
			if s.Effect == "Allow" && a == action {
				out = append(out, s)
			}
		}
	}
	return out
}

// principals are the role names that a key's statement names.
func (s statement) principals(t *testing.T) []string {
	t.Helper()
	named, ok := s.Principal.(map[string]any)
	require.True(t, ok, fmt.Sprint(s.Principal))
	b, err := json.Marshal(named["AWS"])
	require.NoError(t, err)
	var out texts
	require.NoError(t, json.Unmarshal(b, &out))
	return out
}
