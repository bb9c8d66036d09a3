package deployed_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
	"github.com/iam-sunset/iam-sunset/statemachine"
)

// What a function needs and is not told is named before it does anything.
func TestAMissingVariableIsNamed(t *testing.T) {
	d := deploy(t)
	everybody := []string{"IAM_SUNSET_BUCKET", "IAM_SUNSET_TABLE", "IAM_SUNSET_SETTINGS", "IAM_SUNSET_STATE_MACHINE"}
	needs := map[string][]string{
		"approval-web":         {"IAM_SUNSET_PAGES_URL", "IAM_SUNSET_DECISIONS_KEY", "IAM_SUNSET_LINKS_KEY", "IAM_SUNSET_OWNERS_KEY", "IAM_SUNSET_RESTORE_FUNCTION"},
		"delete-all-artifacts": {"IAM_SUNSET_DECISIONS_KEY", "IAM_SUNSET_OWN"},
		"disable":              {"IAM_SUNSET_OWN", "IAM_SUNSET_PAGES_URL", "IAM_SUNSET_OWNERS_KEY"},
		"discover":             {"IAM_SUNSET_OWN"},
		"log":                  {"IAM_SUNSET_DECISIONS_KEY"},
		"open-cases":           {"IAM_SUNSET_ALIAS", "IAM_SUNSET_PAGES_URL", "IAM_SUNSET_OWNERS_KEY"},
		"reconcile":            {"IAM_SUNSET_PAGES_URL", "IAM_SUNSET_DECISIONS_KEY", "IAM_SUNSET_LINKS_KEY", "IAM_SUNSET_OWNERS_KEY", "IAM_SUNSET_SEALING_KEY"},
		"request-approval":     {"IAM_SUNSET_PAGES_URL", "IAM_SUNSET_OWNERS_KEY"},
		"restore":              {"IAM_SUNSET_DECISIONS_KEY", "IAM_SUNSET_OWN"},
		"wait-soak":            {"IAM_SUNSET_DECISIONS_KEY"},
	}
	functions := append(statemachine.Functions(), "approval-web", "reconcile")
	require.Len(t, functions, 12)
	for _, function := range functions {
		needed := append(needs[function], everybody...)
		for name := range d.env {
			_, err := d.world(function, name)
			if slices.Contains(needed, name) {
				require.ErrorContains(t, err, "the environment variable "+name+" is not set", function)
			} else {
				require.NoError(t, err, "%s needs no %s", function, name)
			}
		}
	}
	require.Empty(t, d.cloud.Calls(), "making a world calls nobody")
}

func TestWhatAFunctionIsTold(t *testing.T) {
	d := deploy(t)
	d.env["IAM_SUNSET_ACCESS"] = "change"
	w, err := d.world("disable")
	require.NoError(t, err)
	require.Equal(t, []string{"arn:aws:iam::111122223333:role/iam-sunset-disable", "arn:aws:iam::111122223333:role/iam-sunset-restore"}, w.Own)
	require.Equal(t, sunset.AccessChange, w.Access)
	require.Equal(t, machine, w.StateMachine)
	require.Equal(t, machine+":live", w.Alias)
}

// Settings are read anew at each use. Those that can't be are a fault that says which document it was, in which version.
func TestSettingsAreReadLive(t *testing.T) {
	d := deploy(t)
	w, err := d.world("discover")
	require.NoError(t, err)
	read := func() (s sunset.Settings, err error) {
		err = d.run(func(ctx context.Context) error { s, err = w.Settings(ctx); return err })
		return s, err
	}
	d.settings(`{"cap_percent": 7}`)
	s, err := read()
	require.NoError(t, err)
	require.Equal(t, 7, s.CapPercent)
	d.settings(`{"cap_percent": 8}`)
	s, err = read()
	require.NoError(t, err)
	require.Equal(t, 8, s.CapPercent)

	for document, says := range map[string]string{
		`{"cap_percent": 700}`: "cap_percent", `{"cap_percant": 7}`: "cap_percant", `{"soak": "a while"}`: "soak", `{`: "it breaks off", ``: "the document is empty",
	} {
		version := d.settings(document)
		_, err := read()
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%v", err)
		require.ErrorContains(t, err, "s3://settings/settings.json (version "+version+")")
		require.ErrorContains(t, err, says)
	}

	d.cloud.MarkDeleted("settings", "settings.json")
	_, err = read()
	require.Error(t, err)
	require.ErrorContains(t, err, "settings.json")
	for _, uri := range []string{"settings.json", "s3://settings", "s3:///settings.json", "s3://settings/other.json", "https://settings/settings.json"} {
		d.env["IAM_SUNSET_SETTINGS"] = uri
		w, err = d.world("discover")
		require.NoError(t, err)
		_, err = read()
		require.Equal(t, sunset.Invalid, sunset.KindOf(err), "%v", err)
		require.ErrorContains(t, err, uri)
	}
}

func TestWhichDeployment(t *testing.T) {
	const right = `{"version": 1, "region": "eu-west-1", "account": "111122223333", "state_machine": "arn:sm", "alias": "arn:sm:live",
		"pages_url": "https://pages.example.com", "bucket": "b", "table": "t", "settings": "s3://b/s.json", "a_later_field": true}`
	load := func(t *testing.T, document string) (deployed.Deployment, error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "iam-sunset.json")
		require.NoError(t, os.WriteFile(path, []byte(document), 0o600))
		d, err := deployed.LoadDeployment(path)
		if err != nil {
			require.Equal(t, sunset.Invalid, sunset.KindOf(err))
			require.ErrorContains(t, err, path)
		}
		return d, err
	}
	d, err := load(t, right)
	require.NoError(t, err)
	require.Equal(t, deployed.Deployment{
		Version: 1, Region: "eu-west-1", Account: "111122223333", StateMachine: "arn:sm", Alias: "arn:sm:live", PagesURL: "https://pages.example.com",
		Bucket: "b", Table: "t", Settings: "s3://b/s.json",
	}, d)
	for field, value := range map[string]string{
		"region": "eu-west-1", "state_machine": "arn:sm", "alias": "arn:sm:live", "pages_url": "https://pages.example.com", "bucket": "b", "table": "t", "settings": "s3://b/s.json",
	} {
		_, err := load(t, strings.Replace(right, `"`+field+`": "`+value+`"`, `"`+field+`": ""`, 1))
		require.ErrorContains(t, err, field+": it is missing")
	}
	for document, says := range map[string]string{
		strings.Replace(right, `"version": 1`, `"version": 2`, 1):   "version: 2 is not one that this program knows",
		strings.Replace(right, `"version": 1, `, ``, 1):             "version: 0",
		strings.Replace(right, `"table": "t"`, `"table": ["t"]`, 1): "table",
		``: "is not a deployment's document", `[]`: "is not a deployment's document", `null`: "version: 0",
	} {
		_, err := load(t, document)
		require.ErrorContains(t, err, says)
	}
	_, err = deployed.LoadDeployment(filepath.Join(t.TempDir(), "none.json"))
	require.Equal(t, sunset.Invalid, sunset.KindOf(err))
	require.ErrorContains(t, err, "none.json")
}
