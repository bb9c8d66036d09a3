package deployed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/signin"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// environment is what a function is told by its environment.
type environment struct {
	Deployment
	own    []string      // ARNs of the deployment's own principals
	access sunset.Access // which of a member account's roles the function takes
	// clientSecret is what the pages show the identity provider; empty: they are a public client.
	clientSecret string
}

// fromEnvironment reads IAM_SUNSET_… . What a function can't do without must be there: what it would silently go without,
// as a seal, a version or whom it must not touch, as well as what it would fail for in the middle of its work. A mail
// address, a topic and a bus are missed by nothing but the messages.
func fromEnvironment(function string, getenv func(string) string) (environment, error) {
	var (
		e          environment
		own        string
		everybody  = []string{function}
		touches    = []string{"discover", "disable", "restore", "delete-all-artifacts"}
		openCases  = []string{"open-cases"}
		decisions  = []string{approvalWeb, "delete-all-artifacts", "log", "reconcile", "restore", "wait-soak"}
		reconcile  = []string{"reconcile"}
		linksPages = []string{approvalWeb, "reconcile"}
		pages      = []string{approvalWeb}
		owners     = []string{approvalWeb, "disable", "open-cases", "reconcile", "request-approval"}
	)
	for _, v := range []struct {
		name   string
		value  *string
		needed []string // by these functions
	}{
		{"IAM_SUNSET_BUCKET", &e.Bucket, everybody},
		{"IAM_SUNSET_TABLE", &e.Table, everybody},
		{"IAM_SUNSET_SETTINGS", &e.Settings, everybody},
		{"IAM_SUNSET_STATE_MACHINE", &e.StateMachine, everybody},
		{"IAM_SUNSET_OWN", &own, touches},
		{"IAM_SUNSET_PAGES_URL", &e.PagesURL, owners},
		{"IAM_SUNSET_ALIAS", &e.Alias, openCases},
		{"IAM_SUNSET_DECISIONS_KEY", &e.DecisionsKey, decisions},
		{"IAM_SUNSET_LINKS_KEY", &e.LinksKey, linksPages},
		{"IAM_SUNSET_OWNERS_KEY", &e.OwnersKey, owners},
		{"IAM_SUNSET_RESTORE_FUNCTION", &e.RestoreFunction, pages},
		{"IAM_SUNSET_SEALING_KEY", &e.SealingKey, reconcile},
		{"IAM_SUNSET_MAIL_FROM", &e.MailFrom, nil},
		{"IAM_SUNSET_TOPIC", &e.Topic, nil},
		{"IAM_SUNSET_BUS", &e.Bus, nil},
		{"IAM_SUNSET_ENDPOINT_URL", &e.EndpointURL, nil},
		{signin.SecretVariable, &e.clientSecret, nil},
	} {
		if *v.value = getenv(v.name); *v.value == "" && slices.Contains(v.needed, function) {
			return environment{}, fmt.Errorf("the environment variable %s is not set", v.name)
		}
	}
	e.own = strings.FieldsFunc(own, func(r rune) bool { return r == ',' || r == ' ' })
	e.access = sunset.Access(getenv("IAM_SUNSET_ACCESS"))
	return e, nil
}
