package deploying

import (
	"cmp"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// Group is a part of a deployment as its people know it.
type Group struct {
	Name  string
	order int
}

// Kind of a change.
type Kind string

// The kinds of changes.
const (
	Created   Kind = "created"
	Changed   Kind = "changed"
	Replaced  Kind = "replaced" // destroyed, and made anew
	Destroyed Kind = "destroyed"
	Forgotten Kind = "forgotten" // left as it is, and no longer Terraform's
)

// Change is what happens to one resource.
type Change struct {
	Kind    Kind
	Address string
	Group   Group
	// Precious says that what is lost here can't be made again: evidence and its guards, the casebook, keys.
	Precious bool
	// Because names the attributes that make a replacement needed.
	Because []string
}

// Changes are those of a plan, by group and address.
type Changes []Change

// Count is how many are of a kind.
func (c Changes) Count(k Kind) int {
	n := 0
	for _, change := range c {
		if change.Kind == k {
			n++
		}
	}
	return n
}

// Groups are those that have changes, in order.
func (c Changes) Groups() []Group {
	var out []Group
	for _, change := range c {
		if len(out) == 0 || out[len(out)-1] != change.Group {
			out = append(out, change.Group)
		}
	}
	return out
}

// Of are the changes of one group.
func (c Changes) Of(g Group) Changes {
	var out Changes
	for _, change := range c {
		if change.Group == g {
			out = append(out, change)
		}
	}
	return out
}

// Grave are those that a person has to look at: whatever destroys or replaces anything, and every change of what is
// precious that does not merely make it.
func (c Changes) Grave() Changes {
	var out Changes
	for _, change := range c {
		switch change.Kind {
		case Replaced, Destroyed, Forgotten:
			out = append(out, change)
		case Changed:
			if change.Precious {
				out = append(out, change)
			}
		case Created:
		}
	}
	return out
}

func changesOf(p *tfjson.Plan) Changes {
	var out Changes
	for _, r := range p.ResourceChanges {
		if r.Mode != tfjson.ManagedResourceMode || r.Change == nil {
			continue
		}
		change := Change{Address: r.Address, Group: groupOf(r.Type, r.Name, r.Address)}
		change.Precious = change.Group.order == evidence || change.Group.order == casebook || r.Type == "aws_kms_key"
		switch a := r.Change.Actions; {
		case a.Replace():
			change.Kind, change.Because = Replaced, pathsOf(r.Change.ReplacePaths)
		case a.Create():
			change.Kind = Created
		case a.Update():
			change.Kind = Changed
		case a.Delete():
			change.Kind = Destroyed
		case a.Forget():
			change.Kind = Forgotten
		case a.NoOp(), a.Read():
			continue
		default:
			// An action that this program does not know is shown as what it might be at worst.
			change.Kind = Destroyed
		}
		out = append(out, change)
	}
	slices.SortFunc(out, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Group.order, b.Group.order), cmp.Compare(a.Group.Name, b.Group.Name), cmp.Compare(a.Address, b.Address))
	})
	return out
}

// pathsOf names the first part of each path.
func pathsOf(paths []any) []string {
	var out []string
	for _, p := range paths {
		if parts, ok := p.([]any); ok && len(parts) > 0 {
			if name, ok := parts[0].(string); ok && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// The order in which groups are told: what can't be made again comes first.
const (
	evidence = iota
	casebook
	keys
	settings
	functions
	machine
	pages
	roles
	rules
	alarms
	messages
	logs
	others
)

// groupOf says what a resource is part of. What this program does not know is named by its type.
func groupOf(kind, name, address string) Group {
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(kind, p) })
	}
	switch {
	case has("aws_s3_") && name == "evidence":
		return Group{"evidence bucket", evidence}
	case has("aws_dynamodb_"):
		return Group{"casebook", casebook}
	case has("aws_kms_"):
		return Group{"keys", keys}
	case has("aws_s3_"):
		return Group{"settings", settings}
	case has("aws_sfn_") || name == "machine":
		return Group{"state machine", machine}
	case has("aws_apigatewayv2_") || name == "pages":
		return Group{"approval pages", pages}
	case has("aws_lambda_") || strings.Contains(address, "module.function"):
		return Group{"functions", functions}
	case has("aws_iam_"):
		return Group{"roles and permissions", roles}
	case has("aws_cloudwatch_metric_alarm"):
		return Group{"alarms", alarms}
	case has("aws_cloudwatch_event_", "aws_scheduler_"):
		return Group{"schedule, rules and events", rules}
	case has("aws_sns_", "aws_ses"):
		return Group{"messages", messages}
	case has("aws_cloudwatch_log_"):
		return Group{"logs", logs}
	}
	return Group{kind, others}
}

// architecturesOf are those of the functions that the plan makes or changes.
func architecturesOf(p *tfjson.Plan) []string {
	var out []string
	for _, r := range p.ResourceChanges {
		if r.Type != "aws_lambda_function" || r.Change == nil {
			continue
		}
		after, _ := r.Change.After.(map[string]any) // nothing where it is destroyed
		list, _ := after["architectures"].([]any)
		for _, a := range list {
			if s, ok := a.(string); ok && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}
