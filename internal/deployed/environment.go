package deployed

import (
	"fmt"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// environment is what a function is told by its environment.
type environment struct {
	Deployment
	own    []string      // ARNs of the deployment's own principals
	access sunset.Access // which of a member account's roles the function takes
}

// fromEnvironment reads IAM_SUNSET_… . What every function needs must be there; a key that is missing is missed by
// whoever needs it.
func fromEnvironment(getenv func(string) string) (environment, error) {
	e := environment{own: strings.FieldsFunc(getenv("IAM_SUNSET_OWN"), func(r rune) bool { return r == ',' || r == ' ' }), access: sunset.Access(getenv("IAM_SUNSET_ACCESS"))}
	for _, v := range []struct {
		name   string
		value  *string
		needed bool
	}{
		{"IAM_SUNSET_BUCKET", &e.Bucket, true},
		{"IAM_SUNSET_TABLE", &e.Table, true},
		{"IAM_SUNSET_SETTINGS", &e.Settings, true},
		{"IAM_SUNSET_STATE_MACHINE", &e.StateMachine, true},
		{"IAM_SUNSET_PAGES_URL", &e.PagesURL, false},
		{"IAM_SUNSET_ALIAS", &e.Alias, false},
		{"IAM_SUNSET_DECISIONS_KEY", &e.DecisionsKey, false},
		{"IAM_SUNSET_LINKS_KEY", &e.LinksKey, false},
		{"IAM_SUNSET_SEALING_KEY", &e.SealingKey, false},
		{"IAM_SUNSET_MAIL_FROM", &e.MailFrom, false},
		{"IAM_SUNSET_TOPIC", &e.Topic, false},
		{"IAM_SUNSET_BUS", &e.Bus, false},
		{"IAM_SUNSET_ENDPOINT_URL", &e.EndpointURL, false},
	} {
		if *v.value = getenv(v.name); *v.value == "" && v.needed {
			return environment{}, fmt.Errorf("the environment variable %s is not set", v.name)
		}
	}
	return e, nil
}
