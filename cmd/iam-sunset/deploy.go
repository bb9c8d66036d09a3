package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/deploying"
	"github.com/iam-sunset/iam-sunset/internal/packaging"
)

type deployOptions struct {
	operator
	deploying.Options
	dir, out, packages, arch string
	planOnly, destroy, yes   bool
}

func deployCommand(around surroundings) *cobra.Command {
	o := deployOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Deploy to AWS, upgrade, or take down, by Terraform",
		Long: "Packages the functions, has Terraform plan, says the plan in words, asks, applies that very plan, and writes where everything is into\n" +
			"a document that the other commands read. Cases in flight keep the code that they began with.\n\n" +
			"With --destroy everything is taken down but the evidence with its guards, the casebook and the keys that they need. It is refused\n" +
			"while cases are open, and where that can't be told. docs/operations.md says how to take down the rest, and when that is possible.",
		Example: "  iam-sunset deploy --var-file production.tfvars --plan-only\n" +
			"  iam-sunset deploy --var-file production.tfvars\n" +
			"  iam-sunset deploy --dir terraform/examples/complete\n" +
			"  iam-sunset deploy --var-file production.tfvars --destroy",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.deploy(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "terraform", "folder with the Terraform configuration")
	f.StringArrayVar(&o.VarFiles, "var-file", nil, "file with values of Terraform's variables; may be repeated")
	f.StringArrayVar(&o.Backend, "backend-config", nil, "KEY=VALUE or file for terraform init, which says where the state is kept; may be repeated")
	f.StringVar(&o.packages, "packages", "", "folder with the functions' zips, as iam-sunset package leaves them; without it they are built from the source")
	f.StringVar(&o.arch, "arch", "arm64", "processor of the functions that are built: arm64 or amd64 (Lambda's x86_64)")
	f.BoolVar(&o.planOnly, "plan-only", false, "say what would be done, and do nothing")
	f.BoolVar(&o.destroy, "destroy", false, "take the deployment down, but for what has to outlive it")
	f.BoolVar(&o.yes, "yes", false, "don't ask before anything is changed")
	f.StringVar(&o.out, "out", "iam-sunset.json", "file for the document that says where everything is")
	_ = cmd.MarkFlagDirname("dir")                                                                                                               // the flag is there
	_ = cmd.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions([]cobra.Completion{"arm64", "amd64"}, cobra.ShellCompDirectiveNoFileComp)) // so is this one
	return cmd
}

func (o deployOptions) deploy(ctx context.Context) error {
	progress := newProgress(o.around.stderr)
	defer func() { progress.stop() }()
	t, err := deploying.Open(ctx, o.dir, func(what string) { progress.say(what) })
	if err != nil {
		return hintedDeploying(err)
	}
	folder, err := os.MkdirTemp("", "iam-sunset-deploy-") // a plan can hold what is nobody's business
	if err != nil {
		return fmt.Errorf("making a place for the plan: %w", err)
	}
	defer os.RemoveAll(folder)
	progress.say("packaging the functions")
	if err := o.pack(ctx); err != nil {
		return err
	}
	if err := t.Init(ctx, o.Options); err != nil {
		return hintedDeploying(err)
	}
	if o.destroy {
		switch goes, err := t.Removable(ctx); {
		case err != nil:
			return hintedDeploying(err)
		case len(goes) == 0:
			progress.stop()
			return writeLines(o.around.stdout, []string{"Nothing is deployed that could be taken down."})
		}
	}
	running, err := o.running(ctx, t, folder)
	if err != nil {
		return hintedDeploying(err)
	}
	if o.destroy {
		if err := running.mayGo(ctx); err != nil {
			return err
		}
	}
	plan, err := o.plan(ctx, t, folder)
	progress.stop()
	if err != nil {
		return hintedDeploying(err)
	}
	if err := o.show(ctx, t, plan, running); err != nil {
		return err
	}
	switch {
	case o.planOnly:
		return writeLines(o.around.stderr, []string{"Nothing was changed: this was the plan alone."})
	case len(plan.Changes) > 0:
		if err := o.confirm(ctx, o.yes, question(plan, o.destroy)); err != nil {
			return err
		}
		if o.destroy {
			// A cleanup may have begun while the question stood there.
			if err := running.mayGo(ctx); err != nil {
				return err
			}
		}
		progress = newProgress(o.around.stderr)
		err := t.Apply(ctx, plan)
		progress.stop()
		if err != nil {
			return o.stopped(ctx, err)
		}
	}
	if o.destroy {
		return o.gone(ctx, t)
	}
	return o.finish(ctx, t, folder)
}

// stopped says what an interruption leaves.
func (o deployOptions) stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return writeAnd(o.around.stderr, "Terraform has ended what it was doing and knows how far it came: iam-sunset deploy goes on from there.", err)
	}
	return hintedDeploying(err)
}

// pack builds the functions' zips to where the module looks for them, or says where others are.
func (o *deployOptions) pack(ctx context.Context) error {
	if o.packages != "" {
		at, err := filepath.Abs(o.packages)
		if err == nil {
			_, err = os.Stat(at)
		}
		if err != nil {
			return hinted{fmt.Errorf("--packages: %w", err), "iam-sunset package --out " + o.packages + " makes them"}
		}
		o.Vars = map[string]string{"packages_dir": at}
		return nil
	}
	at, err := filepath.Abs(o.dir)
	if err != nil {
		return fmt.Errorf("finding the source: %w", err)
	}
	source, err := packaging.Source(at)
	if err != nil {
		return hinted{err, "without the source, name the folder that has the zips: --packages dist"}
	}
	if o.destroy && packed(source) {
		return nil // Terraform wants to see them, also to take them away, but any will do
	}
	_, err = packaging.Build(ctx, packaging.Options{Source: source, Out: filepath.Join(source, "dist"), Arch: o.arch})
	if err != nil {
		return hintedPackaging(err)
	}
	return nil
}

// packed reports whether every function has a zip, whatever it was built from.
func packed(source string) bool {
	functions, err := packaging.Functions(source)
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(functions, func(f string) bool {
		_, err := os.Stat(filepath.Join(source, "dist", f+".zip"))
		return err != nil
	})
}

func (o deployOptions) plan(ctx context.Context, t *deploying.Terraform, folder string) (deploying.Plan, error) {
	if o.destroy {
		return t.PlanDestroy(ctx, o.Options, folder)
	}
	p, err := t.Plan(ctx, o.Options, folder)
	if err != nil || o.packages != "" {
		return p, err
	}
	built := map[string]string{"arm64": "arm64", "amd64": "x86_64"}[o.arch]
	for _, wanted := range p.Architectures {
		if wanted != built {
			return p, hinted{
				fmt.Errorf("the functions were built for %s, but the configuration has them run on %s", built, wanted),
				"make --arch and the variable architecture say the same",
			}
		}
	}
	return p, nil
}

// finish writes down where everything is, and says so.
func (o deployOptions) finish(ctx context.Context, t *deploying.Terraform, folder string) error {
	document, d, err := documentOf(ctx, t, folder)
	if err != nil {
		return hintedDeploying(err)
	}
	if document == nil {
		return hinted{
			errors.New("the deployment is made, but its configuration has no output named deployment, so that no document could be written"),
			`add to the configuration: output "deployment" { value = module.iam_sunset.deployment }`,
		}
	}
	if err := deploying.Write(o.out, document); err != nil {
		return err
	}
	return writeLines(o.around.stdout, []string{
		"Approval pages: " + d.PagesURL,
		"State machine:  " + d.StateMachine,
		"Evidence:       s3://" + d.Bucket,
		"Written to " + o.out + ", where the other commands find it.",
		"Next: iam-sunset rehearse, then iam-sunset start --wait for a dry run",
	})
}

// documentOf gives the document of what is deployed; nil where the state has none.
func documentOf(ctx context.Context, t *deploying.Terraform, folder string) ([]byte, deployed.Deployment, error) {
	value, found, err := t.Output(ctx, "deployment")
	if err != nil || !found {
		return nil, deployed.Deployment{}, err
	}
	var fields map[string]any
	if err := json.Unmarshal(value, &fields); err != nil {
		return nil, deployed.Deployment{}, fmt.Errorf("reading Terraform's output deployment: %w", err)
	}
	document, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return nil, deployed.Deployment{}, fmt.Errorf("writing where everything is: %w", err)
	}
	document = append(document, '\n')
	at := filepath.Join(folder, "iam-sunset.json")
	if err := os.WriteFile(at, document, 0o600); err != nil {
		return nil, deployed.Deployment{}, fmt.Errorf("writing where everything is: %w", err)
	}
	d, err := deployed.LoadDeployment(at)
	if err != nil {
		return nil, d, fmt.Errorf("reading Terraform's output deployment: %w", err)
	}
	return document, d, nil
}

// hintedDeploying adds what to do where the text alone does not say it.
func hintedDeploying(err error) error {
	for _, h := range []struct {
		is   error
		hint string
	}{
		{deploying.ErrNoTerraform, "install Terraform " + deploying.Oldest + " or newer: https://developer.hashicorp.com/terraform/install"},
		{deploying.ErrTooOld, "install Terraform " + deploying.Oldest + " or newer: https://developer.hashicorp.com/terraform/install"},
		{deploying.ErrWorkspace, "choose it by terraform workspace select, and unset TF_WORKSPACE"},
		{deploying.ErrNoModule, "run it in a clone of the repository, or name the folder: --dir terraform"},
		{deploying.ErrLocked, "somebody else is deploying: wait until they are done; terraform force-unlock is for a lock whose owner is gone"},
		{deploying.ErrNoProvider, "check the network, and which registry or mirror your Terraform CLI configuration names"},
		{deploying.ErrProtected, "docs/operations.md says how to take down what is protected, and when that is possible"},
		{deploying.ErrStale, "repeat the command: it plans anew"},
	} {
		if errors.Is(err, h.is) {
			return hinted{err, h.hint}
		}
	}
	return err
}
