// Package deploying has Terraform make, change and take down a deployment, by terraform-exec: the plan goes to a file,
// is told in the product's words, and that very file is what is applied.
package deploying

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/terraform-exec/tfexec"
	tfjson "github.com/hashicorp/terraform-json"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Oldest is the oldest Terraform that the module can do with.
const Oldest = "1.9.0"

// What keeps Terraform from being run at all.
var (
	ErrNoTerraform = errors.New("there is no terraform on the PATH")
	ErrTooOld      = errors.New("this terraform is too old")
	ErrNoModule    = errors.New("there is no Terraform configuration")
	ErrWorkspace   = errors.New("TF_WORKSPACE is set")
)

// interruptWithin is how long Terraform may take to end after it was interrupted: what it is making it makes, and writes
// down.
const interruptWithin = 15 * time.Minute

// Terraform is Terraform in one directory.
type Terraform struct {
	tf  *tfexec.Terraform
	dir string
	say func(string)
}

// Open finds terraform and looks whether it and dir will do. say is told what Terraform is doing; nil: nobody listens.
func Open(ctx context.Context, dir string, say func(string)) (*Terraform, error) {
	if say == nil {
		say = func(string) {}
	}
	program, err := exec.LookPath("terraform")
	if err != nil {
		return nil, sunset.Faultf(sunset.Invalid, "%w", ErrNoTerraform)
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the Terraform configuration: %w", err)
	}
	if found, err := filepath.Glob(filepath.Join(dir, "*.tf")); err != nil || len(found) == 0 {
		return nil, sunset.Faultf(sunset.Invalid, "%w in %s", ErrNoModule, dir)
	}
	// terraform-exec takes it out of the environment, and would deploy into another workspace than was meant.
	if os.Getenv("TF_WORKSPACE") != "" {
		return nil, sunset.Faultf(sunset.Invalid, "%w, and is not heeded here", ErrWorkspace)
	}
	tf, err := tfexec.NewTerraform(dir, program)
	if err != nil {
		return nil, fmt.Errorf("running terraform: %w", err)
	}
	if err := tf.SetWaitDelay(interruptWithin); err != nil {
		return nil, fmt.Errorf("running terraform: %w", err)
	}
	t := &Terraform{tf: tf, dir: dir, say: say}
	is, _, err := tf.Version(ctx, true)
	if err != nil {
		return nil, t.fault(err, nil, "asking terraform for its version")
	}
	if is.Core().LessThan(version.Must(version.NewVersion(Oldest))) {
		return nil, sunset.Faultf(sunset.Invalid, "%w: it is %s, and %s or newer is needed", ErrTooOld, is, Oldest)
	}
	return t, nil
}

// Options say what to plan.
type Options struct {
	VarFiles []string          // relative to where the command runs
	Vars     map[string]string // by name
	Backend  []string          // of terraform init -backend-config
}

// Init gets Terraform's providers and modules and reaches its state.
func (t *Terraform) Init(ctx context.Context, o Options) error {
	t.say("terraform init")
	var options []tfexec.InitOption
	for _, b := range o.Backend {
		options = append(options, tfexec.BackendConfig(b))
	}
	return t.run("preparing Terraform", func(w io.Writer) error { return t.tf.InitJSON(ctx, w, options...) })
}

// Plan is a plan in a file.
type Plan struct {
	file string
	// Changes are what it would do; none: nothing.
	Changes Changes
	// Architectures are those that the functions would have, as Lambda calls them.
	Architectures []string
}

// Plan plans into a file within folder: what would make the deployment as it is configured.
func (t *Terraform) Plan(ctx context.Context, o Options, folder string) (Plan, error) {
	return t.plan(ctx, o, folder, nil)
}

// PlanDestroy plans to take down everything but what Kept lists. Nothing at all is planned where there is nothing to
// take down.
func (t *Terraform) PlanDestroy(ctx context.Context, o Options, folder string) (Plan, error) {
	goes, err := t.Removable(ctx)
	if err != nil || len(goes) == 0 {
		return Plan{}, err
	}
	options := []tfexec.PlanOption{tfexec.Destroy(true)}
	for _, address := range goes {
		options = append(options, tfexec.Target(address))
	}
	return t.plan(ctx, o, folder, options)
}

func (t *Terraform) plan(ctx context.Context, o Options, folder string, options []tfexec.PlanOption) (Plan, error) {
	p := Plan{file: filepath.Join(folder, "plan")}
	options = append(options, tfexec.Out(p.file))
	for _, file := range o.VarFiles {
		whole, err := filepath.Abs(file)
		if err != nil {
			return p, fmt.Errorf("finding %s: %w", file, err)
		}
		options = append(options, tfexec.VarFile(whole))
	}
	for name, value := range o.Vars {
		options = append(options, tfexec.Var(name+"="+value))
	}
	t.say("terraform plan")
	err := t.run("planning", func(w io.Writer) error {
		_, err := t.tf.PlanJSON(ctx, w, options...)
		return err
	})
	if err != nil {
		return p, err
	}
	shown, err := t.tf.ShowPlanFile(ctx, p.file)
	if err != nil {
		return p, t.fault(err, nil, "reading the plan")
	}
	p.Changes = changesOf(shown)
	p.Architectures = architecturesOf(shown)
	return p, nil
}

// Apply does what the plan says, and nothing else: where the deployment was changed since, Terraform refuses.
func (t *Terraform) Apply(ctx context.Context, p Plan) error {
	return t.run("applying the plan", func(w io.Writer) error { return t.tf.ApplyJSON(ctx, w, tfexec.DirOrPlan(p.file)) })
}

// Output is the value of one output as JSON. found is false where the state does not have it.
func (t *Terraform) Output(ctx context.Context, name string) (value json.RawMessage, found bool, err error) {
	all, err := t.tf.Output(ctx)
	if err != nil {
		return nil, false, t.fault(err, nil, "reading Terraform's outputs")
	}
	out, found := all[name]
	return out.Value, found, nil
}

// Deployed reports whether the state has anything at all.
func (t *Terraform) Deployed(ctx context.Context) (bool, error) {
	state, err := t.state(ctx)
	return len(state) > 0, err
}

// Removable lists the addresses of what PlanDestroy takes down, and Kept of what it leaves.
func (t *Terraform) Removable(ctx context.Context) ([]string, error) {
	state, err := t.state(ctx)
	goes, _ := split(state)
	return goes, err
}

// Kept lists the addresses of what PlanDestroy leaves.
func (t *Terraform) Kept(ctx context.Context) ([]string, error) {
	state, err := t.state(ctx)
	_, stays := split(state)
	return stays, err
}

func (t *Terraform) state(ctx context.Context) ([]*tfjson.StateResource, error) {
	state, err := t.tf.Show(ctx)
	if err != nil {
		return nil, t.fault(err, nil, "reading Terraform's state")
	}
	if state == nil || state.Values == nil {
		return nil, nil
	}
	return managed(state.Values.RootModule), nil
}

// managed are the resources of a module and those below it, without data sources.
func managed(m *tfjson.StateModule) []*tfjson.StateResource {
	if m == nil {
		return nil
	}
	var all []*tfjson.StateResource
	for _, r := range m.Resources {
		if r.Mode == tfjson.ManagedResourceMode {
			all = append(all, r)
		}
	}
	for _, child := range m.ChildModules {
		all = append(all, managed(child)...)
	}
	return all
}

// run runs a command that tells in lines of JSON what it does.
func (t *Terraform) run(doing string, command func(io.Writer) error) error {
	heard := &listener{say: t.say}
	err := command(heard)
	t.tf.SetStdout(io.Discard) // the command has set it, and others would write there too
	heard.end()
	if err != nil {
		return t.fault(err, heard, doing)
	}
	return nil
}

// Write writes a file so that it is never seen half; who may read it is as for any file with nothing secret in it.
func Write(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".iam-sunset-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where all went well
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
