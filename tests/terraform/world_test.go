//go:build terraform

// Package terraform asks Terraform what it would make, and looks at the plan. It needs terraform on the PATH and a provider
// that it can find, and no AWS: what a plan asks AWS for is answered here.
package terraform

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/stretchr/testify/require"
)

const (
	account = "123456789012"
	region  = "us-east-1"
	root    = "../.."
)

// The provider is large: where it has to be fetched, once is enough.
func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	cache, err := os.MkdirTemp("", "terraform-providers-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(cache) }()
	for name, value := range map[string]string{"TF_PLUGIN_CACHE_DIR": cache, "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1"} {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// world is a copy of the repository's Terraform, so that nothing that Terraform writes gets among the sources.
type world struct {
	dir string // of the root module
	tf  *tfexec.Terraform
	sts string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	copied := t.TempDir()
	w := &world{dir: filepath.Join(copied, "terraform"), sts: serveSTS(t)}
	require.NoError(t, os.CopyFS(w.dir, os.DirFS(filepath.Join(root, "terraform"))))
	require.NoError(t, os.RemoveAll(filepath.Join(w.dir, ".terraform")))
	_ = os.Remove(filepath.Join(w.dir, ".terraform.lock.hcl")) // there is one only where somebody ran terraform by hand
	require.NoError(t, os.CopyFS(filepath.Join(copied, "statemachine"), os.DirFS(filepath.Join(root, "statemachine"))))
	// A plan takes the packages' hashes and no more.
	packages := filepath.Join(copied, "packages")
	require.NoError(t, os.Mkdir(packages, 0o755))
	for _, f := range functions(t) {
		require.NoError(t, os.WriteFile(filepath.Join(packages, f+".zip"), []byte(f), 0o600))
	}
	w.write(t, "offline.tf", w.offline(""))
	w.tf = open(t, w.dir)
	return w
}

func open(t *testing.T, dir string) *tfexec.Terraform {
	t.Helper()
	path, err := exec.LookPath("terraform")
	require.NoError(t, err)
	tf, err := tfexec.NewTerraform(dir, path)
	require.NoError(t, err)
	require.NoError(t, tf.Init(within(t, 3*time.Minute)), "terraform found no provider: where its registry can't be reached, a mirror has to be configured")
	return tf
}

// offline is a provider that needs neither credentials nor AWS to plan.
func (w *world) offline(more string) string {
	return fmt.Sprintf(`provider "aws" {
  %s
  region                      = %q
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  endpoints {
    sts = %q
  }
}
`, more, region, w.sts)
}

func (w *world) write(t *testing.T, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600))
}

func serveSTS(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(rw, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`+
			`<Arn>arn:aws:iam::`+account+`:role/deployer</Arn><UserId>AROA1:deployer</UserId><Account>`+account+`</Account>`+
			`</GetCallerIdentityResult></GetCallerIdentityResponse>`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// plan is what Terraform would make of the root module with these variables. mail_from and the packages are given.
func (w *world) plan(t *testing.T, variables map[string]any) plan {
	t.Helper()
	all := map[string]any{"mail_from": "iam-sunset@example.com", "packages_dir": filepath.Join(filepath.Dir(w.dir), "packages")}
	maps.Copy(all, variables)
	return planIn(t, w.tf, w.dir, all)
}

func planIn(t *testing.T, tf *tfexec.Terraform, dir string, variables map[string]any) plan {
	t.Helper()
	b, err := json.Marshal(variables)
	require.NoError(t, err)
	file := filepath.Join(dir, "wanted.tfvars.json")
	require.NoError(t, os.WriteFile(file, b, 0o600))
	ctx := within(t, 4*time.Minute)
	_, err = tf.Plan(ctx, tfexec.VarFile(file), tfexec.Out(filepath.Join(dir, "plan")), tfexec.Refresh(false))
	require.NoError(t, err)
	shown, err := tf.ShowPlanFile(ctx, filepath.Join(dir, "plan"))
	require.NoError(t, err)
	require.NotEmpty(t, shown.ResourceChanges)
	return plan{shown}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// functions are the folders of functions/.
func functions(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "functions"))
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.NotEmpty(t, names)
	return names
}

// plan is a plan as JSON.
type plan struct{ *tfjson.Plan }

// resource is one thing that would be made.
type resource struct {
	Address, Key string // Key is of for_each, or empty
	After        map[string]any
	Unknown      map[string]any // what only AWS will tell
}

// all gives the resources of a type, which must be some.
func (p plan) all(t *testing.T, kind string) []resource {
	t.Helper()
	var out []resource
	for _, c := range p.ResourceChanges {
		if c.Type != kind || c.Mode != tfjson.ManagedResourceMode {
			continue
		}
		r := resource{Address: c.Address}
		r.Key, _ = c.Index.(string)
		r.After, _ = c.Change.After.(map[string]any)
		r.Unknown, _ = c.Change.AfterUnknown.(map[string]any)
		out = append(out, r)
	}
	require.NotEmpty(t, out, "nothing of type %s is made", kind)
	return out
}

// one gives the resource with an address.
func (p plan) one(t *testing.T, address string) resource {
	t.Helper()
	kind, _, _ := strings.Cut(address[strings.LastIndex(address, "aws_"):], ".")
	all := p.all(t, kind)
	i := slices.IndexFunc(all, func(r resource) bool { return r.Address == address })
	require.GreaterOrEqual(t, i, 0, "%s is not made", address)
	return all[i]
}

// text is an argument that has to be known.
func (r resource) text(t *testing.T, argument string) string {
	t.Helper()
	s, ok := r.After[argument].(string)
	require.True(t, ok, "%s: %s is %v", r.Address, argument, r.After[argument])
	return s
}

// block is the only one of a nested block.
func (r resource) block(t *testing.T, name string) map[string]any {
	t.Helper()
	blocks, _ := r.After[name].([]any)
	require.Len(t, blocks, 1, "%s: %s", r.Address, name)
	b, ok := blocks[0].(map[string]any)
	require.True(t, ok)
	return b
}

// refersTo lists what an argument of a resource is made of, by the sources: what it is, only AWS will tell.
func (p plan) refersTo(t *testing.T, address string, path ...string) []string {
	t.Helper()
	for _, r := range p.Config.RootModule.Resources {
		if r.Address != address {
			continue
		}
		at := r.Expressions
		for _, name := range path[:len(path)-1] {
			require.Contains(t, at, name, address)
			require.NotEmpty(t, at[name].NestedBlocks, "%s: %s", address, name)
			at = at[name].NestedBlocks[0]
		}
		last := path[len(path)-1]
		require.Contains(t, at, last, address)
		return at[last].References
	}
	require.Fail(t, "the sources have no "+address)
	return nil
}
