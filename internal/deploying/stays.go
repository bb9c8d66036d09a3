package deploying

import (
	"regexp"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// stays reports whether a resource outlives a deployment: evidence with everything that guards it, the casebook, and the
// keys without which neither can be read or proven. Terraform itself refuses to destroy the bucket, the table and those
// keys (prevent_destroy); the guards it would take away.
func stays(r *tfjson.StateResource) bool {
	switch {
	case strings.HasPrefix(r.Type, "aws_s3_bucket") && r.Name == "evidence":
		return true
	case strings.HasPrefix(r.Type, "aws_dynamodb_"):
		return true
	case r.Type == "aws_kms_key":
		return r.Name == "data" || r.Name == "sealing"
	}
	return false
}

// index is the key of one instance of a resource or module.
var index = regexp.MustCompile(`\[(?:"(?:[^"\\]|\\.)*"|\d+)\]`)

// split says which resources of a state go when the deployment is taken down, and which stay: what stays by itself, and
// what that depends on, since Terraform destroys dependants first. Both are addresses of instances, sorted.
func split(state []*tfjson.StateResource) (goes, kept []string) {
	all := map[string][]*tfjson.StateResource{} // by the address in the configuration
	for _, r := range state {
		at := index.ReplaceAllString(r.Address, "")
		all[at] = append(all[at], r)
	}
	keep := map[string]bool{}
	var need func(at string)
	need = func(at string) {
		if keep[at] {
			return
		}
		keep[at] = true
		for _, r := range all[at] {
			for _, on := range r.DependsOn {
				need(on)
			}
		}
	}
	for at, instances := range all {
		if slices.ContainsFunc(instances, stays) {
			need(at)
		}
	}
	for at, instances := range all {
		for _, r := range instances {
			if keep[at] || keptModule(keep, at) {
				kept = append(kept, r.Address)
			} else {
				goes = append(goes, r.Address)
			}
		}
	}
	slices.Sort(goes)
	slices.Sort(kept)
	return goes, kept
}

// keptModule reports whether a whole module that at is in has to stay.
func keptModule(keep map[string]bool, at string) bool {
	for i := range at {
		if at[i] == '.' && keep[at[:i]] && strings.HasPrefix(at, "module.") {
			return true
		}
	}
	return false
}
