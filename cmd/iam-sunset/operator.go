package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/iamaccount"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// station is a running deployment as its operators reach it.
type station struct {
	*workflow.Workflow
	// who is the operator, as AWS knows them.
	who iamaccount.Caller
	// aws reaches the account with the operator's own rights.
	aws aws.Config
	// rescue gives a user back: the deployment's own function does it, which may change the account.
	rescue workflow.Rescuer
}

// counter is where approvers decide with their AWS identity.
type counter struct {
	url string // of the API, without a slash at the end
	// send signs a request and sends it.
	send func(*http.Request, []byte) (*http.Response, error)
}

// reach finds a running deployment by the file that --deployment names; empty: wherever the environment says. An engine on
// this machine is found by the address that --engine names.
type reach struct {
	station func(ctx context.Context, place string) (station, error)
	counter func(ctx context.Context, place string) (counter, error)
}

// operator is what every command on a running deployment has.
type operator struct {
	around             surroundings
	deployment, engine string
}

// operatorCommands are those that work on a running deployment.
func operatorCommands(around surroundings) []*cobra.Command {
	if around.reach.station == nil {
		around.reach = deployment(around.clock)
	}
	return []*cobra.Command{
		startCommand(around), statusCommand(around), historyCommand(around), pauseCommand(around), resumeCommand(around),
		stopCommand(around), rescueCommand(around), approveCommand(around), rehearseCommand(around), deployCommand(around), dashboardCommand(around),
	}
}

func (o *operator) addFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.deployment, "deployment", "", "file that says where the deployment is; without it $IAM_SUNSET_DEPLOYMENT, or iam-sunset.json here")
	_ = cmd.MarkFlagFilename("deployment", "json") // the flag is there
	cmd.Flags().StringVar(&o.engine, "engine", "", "address of a running iam-sunset serve, instead of a deployment; without it $IAM_SUNSET_ENGINE")
}

func (o *operator) station(ctx context.Context) (station, error) {
	by, place, err := o.meant()
	if err != nil {
		return station{}, err
	}
	return by.station(ctx, place)
}

func (o *operator) counter(ctx context.Context) (counter, error) {
	by, place, err := o.meant()
	if err != nil {
		return counter{}, err
	}
	return by.counter(ctx, place)
}

// meant is what the command works on. A flag goes before the environment; of two of a kind neither is guessed.
func (o *operator) meant() (by reach, place string, err error) {
	address := o.engine
	if address == "" && o.deployment == "" {
		address = os.Getenv("IAM_SUNSET_ENGINE")
	}
	switch {
	case address == "":
		return o.around.reach, o.deployment, nil
	case o.deployment != "":
		return by, "", hinted{errors.New("--deployment and --engine are two different places"), "name the one that you mean"}
	case o.engine == "" && os.Getenv("IAM_SUNSET_DEPLOYMENT") != "":
		return by, "", hinted{errors.New("IAM_SUNSET_DEPLOYMENT and IAM_SUNSET_ENGINE are both set, and are two different places"), "say --deployment FILE or --engine URL, or unset one"}
	}
	return engine(o.around.clock, awsConfig), address, nil
}

// deploymentFile is where the deployment's document is.
func deploymentFile(flag string) (string, error) {
	file := cmp.Or(flag, os.Getenv("IAM_SUNSET_DEPLOYMENT"), "iam-sunset.json")
	if _, err := os.Stat(file); err != nil {
		return "", hinted{
			fmt.Errorf("which deployment is meant is not known: %s can't be read", file),
			"name its document: --deployment FILE, or IAM_SUNSET_DEPLOYMENT; terraform output -json deployment > iam-sunset.json writes it",
		}
	}
	return file, nil
}

// confirm asks a person, and takes only a yes for one.
func (o *operator) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	if o.around.answers == nil {
		return hinted{errors.New("nobody is at a terminal to be asked: " + question), "add --yes once you have read what it will do"}
	}
	fmt.Fprintf(o.around.stderr, "%s [y/N] ", question)
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(o.around.answers).ReadString('\n') // an end without an answer is no yes
		said <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case answer := <-said:
		if answer != "y" && answer != "yes" {
			return verdictNo{"Nothing was done."}
		}
		return nil
	}
}

// needReason refuses an empty reason: whoever reads the records later has nothing else to go by.
func needReason(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return hinted{errors.New("--reason is missing"), `say why, in a few words: --reason "nightly job broke"; it goes on record`}
	}
	return nil
}

// oneArgument is for commands about one thing.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && strings.TrimSpace(args[0]) != "" {
			return nil
		}
		return hinted{fmt.Errorf("%s needs one %s", cmd.CommandPath(), what), fmt.Sprintf("see `%s --help`", cmd.CommandPath())}
	}
}

// minute is how times are shown, in UTC.
func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}
