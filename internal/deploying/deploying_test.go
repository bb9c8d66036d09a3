package deploying

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

func made(address, kind, name string, on ...string) *tfjson.StateResource {
	return &tfjson.StateResource{Address: address, Mode: tfjson.ManagedResourceMode, Type: kind, Name: name, DependsOn: on}
}

// Whatever evidence needs stays, and whatever that needs: Terraform would destroy dependants with what goes.
func TestWhatStaysKeepsWhatItNeeds(t *testing.T) {
	const in = "module.iam_sunset[\"a.b\"]."
	goes, stay := split([]*tfjson.StateResource{
		made(in+"aws_s3_bucket.evidence", "aws_s3_bucket", "evidence"),
		made(in+"aws_s3_bucket_policy.evidence", "aws_s3_bucket_policy", "evidence", "module.iam_sunset.aws_s3_bucket.evidence"),
		made(in+"aws_s3_bucket.settings", "aws_s3_bucket", "settings"),
		made(in+"aws_dynamodb_table.casebook", "aws_dynamodb_table", "casebook", "module.iam_sunset.aws_kms_key.data"),
		made(in+"aws_kms_key.data", "aws_kms_key", "data", "module.iam_sunset.aws_iam_role.function", "module.iam_sunset.module.names"),
		made(in+"aws_kms_key.links", "aws_kms_key", "links", "module.iam_sunset.aws_iam_role.function"),
		made(in+`aws_iam_role.function["log"]`, "aws_iam_role", "function", "module.iam_sunset.aws_iam_policy.boundary"),
		made(in+`aws_iam_role.function["disable"]`, "aws_iam_role", "function", "module.iam_sunset.aws_iam_policy.boundary"),
		made(in+"aws_iam_policy.boundary", "aws_iam_policy", "boundary"),
		made(in+`module.names[0].random_id.this`, "random_id", "this"),
		made(in+`module.function["log"].aws_lambda_function.this`, "aws_lambda_function", "this", "module.iam_sunset.aws_iam_role.function"),
	})
	require.Equal(t, []string{
		in + "aws_kms_key.links", in + "aws_s3_bucket.settings", in + `module.function["log"].aws_lambda_function.this`,
	}, goes)
	require.Equal(t, []string{
		in + "aws_dynamodb_table.casebook", in + "aws_iam_policy.boundary", in + `aws_iam_role.function["disable"]`, in + `aws_iam_role.function["log"]`,
		in + "aws_kms_key.data", in + "aws_s3_bucket.evidence", in + "aws_s3_bucket_policy.evidence", in + "module.names[0].random_id.this",
	}, stay)
}

func TestChangesAreToldAtTheirWorst(t *testing.T) {
	change := func(kind, name string, actions ...tfjson.Action) *tfjson.ResourceChange {
		return &tfjson.ResourceChange{
			Address: kind + "." + name, Mode: tfjson.ManagedResourceMode, Type: kind, Name: name,
			Change: &tfjson.Change{Actions: actions, ReplacePaths: []any{[]any{"name", 0}, []any{"name", 1}}},
		}
	}
	got := changesOf(&tfjson.Plan{ResourceChanges: []*tfjson.ResourceChange{
		change("aws_sns_topic", "team", tfjson.ActionNoop),
		change("aws_thing_of_tomorrow", "x", "unheard-of"),
		change("aws_kms_alias", "this", tfjson.ActionDelete),
		change("aws_kms_key", "links", tfjson.ActionUpdate),
		change("aws_dynamodb_table", "casebook", tfjson.ActionCreate, tfjson.ActionDelete),
		change("aws_lambda_function", "this", tfjson.ActionForget),
	}})
	require.Len(t, got, 5)
	require.Equal(t, Change{Kind: Replaced, Address: "aws_dynamodb_table.casebook", Group: Group{"casebook", casebook}, Precious: true, Because: []string{"name"}}, got[0])
	require.Equal(t, []int{0, 1, 1, 2, 1}, []int{got.Count(Created), got.Count(Changed), got.Count(Replaced), got.Count(Destroyed), got.Count(Forgotten)})
	require.Len(t, got.Grave(), 5, "the key's change, too")
	require.Equal(t, "aws_thing_of_tomorrow", got[4].Group.Name)
	require.Equal(t, Destroyed, got[4].Kind)
	require.Len(t, got.Groups(), 4)
	require.Len(t, got.Of(Group{"keys", keys}), 2)
}

func TestFaultsAreOneSentence(t *testing.T) {
	var tf *Terraform
	for text, want := range map[string]string{
		"exit status 1\n\nError: Invalid index\n\n  on x.tf line 3, in locals:\n   3: a\n\nThe given key\ndoes not exist.\n\nMore.": "planning: Invalid index: The given key does not exist",
		"exit status 1\n╷\n│ Error: Instance cannot be destroyed\n│ \n│ Resource aws_kms_key.data has prevent_destroy set.\n╵":      "planning: something protected would be destroyed: Instance cannot be destroyed: Resource aws_kms_key.data has prevent_destroy set",
		"signal: killed": "planning: signal: killed",
	} {
		err := tf.fault(errors.New(text), nil, "planning")
		require.EqualError(t, err, want)
		require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	}
}

func TestWriteIsWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "iam-sunset.json")
	require.NoError(t, Write(path, []byte("one")))
	require.NoError(t, Write(path, []byte("two")))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "two", string(got))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode())
	require.Error(t, Write(filepath.Join(path, "below"), []byte("three")))
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing else is left")
}
