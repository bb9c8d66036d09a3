package sunset

import "time"

// Use is what one source says of a user.
type Use string

// The three answers. Whatever could not be read, was cut short, throttled or denied is Unknown.
const (
	Used    Use = "used"
	Unused  Use = "unused"
	Unknown Use = "unknown"
)

// Evidence is one fact about use, with where and when it was read.
type Evidence struct {
	Source string     `json:"source"`           // the AWS action or "credential-report"
	About  string     `json:"about,omitempty"`  // the credential or the name looked up
	Region string     `json:"region,omitempty"` // empty: global
	Read   time.Time  `json:"read"`
	Last   *time.Time `json:"last,omitempty"` // the use itself
	Use    Use        `json:"use"`
	Detail string     `json:"detail,omitempty"` // one sentence for people
}

// Activity is what a user last did, kept so that people can tell whose job it was.
type Activity struct {
	At      time.Time `json:"at"`
	Service string    `json:"service"`
	Call    string    `json:"call"`
	Region  string    `json:"region,omitempty"`
	Address string    `json:"address,omitempty"`
	Agent   string    `json:"agent,omitempty"`
	Error   string    `json:"error,omitempty"`
}

// Weight says what a reference does to the verdict.
type Weight string

// Blocking keeps the user: something would break that can't be put right afterwards. Informing is told to people.
const (
	Blocking  Weight = "blocking"
	Informing Weight = "informing"
)

// Reference is something that names the user.
type Reference struct {
	Service  string `json:"service"` // s3, kms, iam, sns, sqs, lambda, secretsmanager, ecr, tag, code
	Region   string `json:"region,omitempty"`
	Resource string `json:"resource"` // ARN, or file:line
	How      string `json:"how"`      // arn, user-id, condition, grant, group, inline-policy, tag, name, key-id
	Weight   Weight `json:"weight"`
	Detail   string `json:"detail,omitempty"`
}

// Gap is something that could not be read, and so says nothing about anybody.
type Gap struct {
	Action string `json:"action"` // as in a policy: "kms:GetKeyPolicy"
	Region string `json:"region,omitempty"`
	Why    string `json:"why"`
}

// Service is the part of the action before the colon.
func (g Gap) Service() string {
	for i := range g.Action {
		if g.Action[i] == ':' {
			return g.Action[:i]
		}
	}
	return g.Action
}
