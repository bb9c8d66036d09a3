package deployed

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// Deployment says where everything of one deployment is. Terraform's output "deployment" is this document; functions are
// told the same by their environment.
type Deployment struct {
	Version         int    `json:"version"` // of this document; 1
	Region          string `json:"region"`
	Account         string `json:"account"`
	StateMachine    string `json:"state_machine"`    // ARN, without version or alias
	Alias           string `json:"alias"`            // ARN by which new executions are started
	PagesURL        string `json:"pages_url"`        // without a slash at the end
	Bucket          string `json:"bucket"`           // plans, snapshots, evidence: each key written once
	Table           string `json:"table"`            // cases, requests, decisions, links
	Settings        string `json:"settings"`         // s3://bucket/key of the settings document
	DecisionsKey    string `json:"decisions_key"`    // ARN of the HMAC key of decisions
	LinksKey        string `json:"links_key"`        // ARN of the HMAC key of links
	OwnersKey       string `json:"owners_key"`       // ARN of the HMAC key of owners' links
	SealingKey      string `json:"sealing_key"`      // ARN of the key that signs the ends of chains
	RestoreFunction string `json:"restore_function"` // ARN, with the alias by which a rescue is asked for
	MailFrom        string `json:"mail_from,omitempty"`
	Topic           string `json:"topic,omitempty"` // SNS topic of the team
	Bus             string `json:"bus,omitempty"`   // EventBridge bus of events
	// EndpointURL is where the deployment's own services are, apart from those of the account that is cleaned up. Empty: AWS.
	EndpointURL string `json:"endpoint_url,omitempty"`
}

// LoadDeployment reads the document at path. Its faults are Invalid and name the field.
func LoadDeployment(path string) (Deployment, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Deployment{}, sunset.Faultf(sunset.Invalid, "reading which deployment is meant: %w", err)
	}
	var d Deployment
	if err := json.Unmarshal(b, &d); err != nil {
		return Deployment{}, sunset.Faultf(sunset.Invalid, "%s is not a deployment's document: %w", path, err)
	}
	if err := d.check(); err != nil {
		return Deployment{}, sunset.Faultf(sunset.Invalid, "%s: %w", path, err)
	}
	return d, nil
}

func (d Deployment) check() error {
	if d.Version != 1 {
		return fmt.Errorf("version: %d is not one that this program knows (1); use the program that made the deployment", d.Version)
	}
	for _, f := range [][2]string{
		{"region", d.Region}, {"state_machine", d.StateMachine}, {"alias", d.Alias}, {"pages_url", d.PagesURL}, {"bucket", d.Bucket}, {"table", d.Table}, {"settings", d.Settings},
	} {
		if f[1] == "" {
			return errors.New(f[0] + ": it is missing")
		}
	}
	return nil
}
