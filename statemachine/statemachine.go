// Package statemachine holds the one definition that every engine runs: AWS Step Functions and the embedded one.
//
// Each Task retries a function that died under way (Lambda.Unknown) or could not be called (the service's other errors) apart
// from what functions say themselves, and a thousand times: on one machine every stop of the process ends functions so, and
// a night without a network keeps them from being called; neither says anything of a user, and no number of them may fail
// a case. On AWS a function that crashes for ever therefore comes to LogFailed only after a day or two; the alarm on its errors
// rings long before.
package statemachine

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

//go:embed sunset.asl.json
var definition string

var placeholder = regexp.MustCompile(`\$\{([a-z_]+)_arn\}`)

// Definition is the definition as shipped, with placeholders such as ${crosscheck_cloudtrail_arn}.
func Definition() string { return definition }

// Functions names the folders of functions/ that the definition calls, sorted.
func Functions() []string {
	var names []string
	for _, m := range placeholder.FindAllStringSubmatch(definition, -1) {
		names = append(names, strings.ReplaceAll(m[1], "_", "-"))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Render puts function ARNs, by folder name, in place of the placeholders. A function without one is an error.
func Render(arns map[string]string) (string, error) {
	for _, name := range Functions() {
		if arns[name] == "" {
			return "", fmt.Errorf("rendering the definition: function %s has no ARN", name)
		}
	}
	return placeholder.ReplaceAllStringFunc(definition, func(p string) string {
		m := placeholder.FindStringSubmatch(p)
		return arns[strings.ReplaceAll(m[1], "_", "-")]
	}), nil
}
