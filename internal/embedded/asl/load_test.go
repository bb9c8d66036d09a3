package asl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
)

// machine is a definition of one state A, with its fields and the fields beside it.
func machine(state string) string {
	return `{"StartAt": "A", "States": {"A": {` + state + `}}}`
}

const (
	taskA = `"Type": "Task", "Resource": "` + workARN + `", "End": true`
	askA  = `"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "End": true`
)

func TestLoadRefuses(t *testing.T) {
	long := strings.Repeat("n", 81)
	payload := `"Parameters": {"FunctionName": "` + askARN + `", "Payload": {"t.$": "$$.Task.Token"}}`
	for name, tt := range map[string]struct{ definition, says string }{
		// The whole.
		"not JSON":                {`{"StartAt"`, `the definition can't be read: `},
		"two values":              {`{} {}`, `the definition has something after its end`},
		"no object":               {`[]`, `the definition must be an object`},
		"too long":                {`{"Comment": "` + strings.Repeat("x", 1<<20) + `"}`, `longer than 1 MB`},
		"a key twice":             {`{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}, "A": {"Type": "Fail"}}}`, `field States.A stands there twice`},
		"a key twice, deep":       {machine(`"Type": "Pass", "End": true, "Result": {"a": [{"b": 1, "b": 2}]}`), `field States.A.Result.a[0].b stands there twice`},
		"unknown field":           {`{"StartAt": "A", "Start": 1, "States": {"A": {"Type": "Fail"}}}`, `the definition: field Start is not supported in a definition`},
		"JSONata":                 {`{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Fail"}}}`, `the definition: field QueryLanguage JSONata is not supported`},
		"another version":         {`{"Version": "2.0", "StartAt": "A", "States": {"A": {"Type": "Fail"}}}`, `the definition: field Version must be 1.0`},
		"placeholder":             {machine(`"Type": "Task", "Resource": "${work_arn}", "End": true`), `field States.A.Resource has a placeholder that was not filled in: ${work_arn}`},
		"no StartAt":              {`{"States": {"A": {"Type": "Fail"}}}`, `the definition: field StartAt is missing`},
		"dangling StartAt":        {`{"StartAt": "B", "States": {"A": {"Type": "Fail"}}}`, `the definition: field StartAt names "B", which is not a state`},
		"no States":               {`{"StartAt": "A"}`, `States must be an object`},
		"time-out of nothing":     {`{"TimeoutSeconds": 0, "StartAt": "A", "States": {"A": {"Type": "Fail"}}}`, `field TimeoutSeconds must be a whole number`},
		"name of 81":              {`{"StartAt": "` + long + `", "States": {"` + long + `": {"Type": "Fail"}}}`, `the name is longer than 80 characters`},
		"state is no object":      {`{"StartAt": "A", "States": {"A": 1}}`, `state "A" must be an object`},
		"no type":                 {machine(`"End": true`), `state "A": field Type is missing`},
		"Map":                     {machine(`"Type": "Map", "End": true`), `state "A": field Type Map is not supported`},
		"Parallel":                {machine(`"Type": "Parallel", "End": true`), `state "A": field Type Parallel is not supported`},
		"a state's JSONata":       {machine(`"QueryLanguage": "JSONata", "Type": "Pass", "End": true`), `state "A": field QueryLanguage JSONata`},
		"variables":               {machine(`"Type": "Pass", "Assign": {"x": 1}, "End": true`), `state "A": field Assign is not supported in a Pass state`},
		"Retry on a Wait":         {machine(`"Type": "Wait", "Seconds": 1, "Retry": [], "End": true`), `state "A": field Retry is not supported in a Wait state`},
		"ResultPath on a Wait":    {machine(`"Type": "Wait", "Seconds": 1, "ResultPath": "$", "End": true`), `state "A": field ResultPath is not supported in a Wait state`},
		"Next on a Succeed":       {machine(`"Type": "Succeed", "Next": "A"`), `state "A": field Next is not supported in a Succeed state`},
		"InputPath on a Fail":     {machine(`"Type": "Fail", "InputPath": "$"`), `state "A": field InputPath is not supported in a Fail state`},
		"Next and End":            {machine(`"Type": "Pass", "End": true, "Next": "A"`), `state "A": field End may not be there beside Next`},
		"neither Next nor End":    {machine(`"Type": "Pass"`), `state "A": field Next is missing, and so is End`},
		"End is false":            {machine(`"Type": "Pass", "End": false`), `state "A": field End must be true`},
		"no end at all":           {machine(`"Type": "Pass", "Next": "A"`), `the definition has no state that ends it`},
		"Error and ErrorPath":     {machine(`"Type": "Fail", "Error": "E", "ErrorPath": "$.e"`), `state "A": field ErrorPath may not be there beside Error`},
		"Cause and CausePath":     {machine(`"Type": "Fail", "Cause": "C", "CausePath": "$.c"`), `state "A": field CausePath may not be there beside Cause`},
		"Comment is all right":    {machine(`"Type": "Fail", "Comment": "c"`), ``},
		"dangling Next":           {machine(`"Type": "Pass", "Next": "B"`), `state "A": field Next names "B", which is not a state`},
		"dangling Default":        {machine(`"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": true, "Next": "A"}], "Default": "X"`), `state "A": field Default names "X", which is not a state`},
		"dangling Choice":         {machine(`"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": true, "Next": "X"}], "Default": "A"`), `state "A": field Choices[0].Next names "X", which is not a state`},
		"dangling Catch":          {machine(taskA + `, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "X"}]`), `state "A": field Catch[0].Next names "X", which is not a state`},
		"unreachable":             {`{"StartAt": "A", "States": {"A": {"Type": "Fail"}, "B": {"Type": "Fail"}}}`, `state "B" can't be reached from StartAt`},
		"leads to no end":         {`{"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": true, "Next": "B"}], "Default": "C"}, "B": {"Type": "Pass", "Next": "B"}, "C": {"Type": "Fail"}}}`, `state "B" leads to no end`},
		"Timestamp and Seconds":   {machine(`"Type": "Wait", "Seconds": 1, "Timestamp": "2026-01-01T00:00:00Z", "End": true`), `state "A": field Seconds or one of Timestamp, SecondsPath, TimestampPath must be there, and only one`},
		"Wait for nothing":        {machine(`"Type": "Wait", "End": true`), `state "A": field Seconds or one of`},
		"Seconds below nothing":   {machine(`"Type": "Wait", "Seconds": -1, "End": true`), `state "A": field Seconds must be a whole number from 0`},
		"Seconds with a fraction": {machine(`"Type": "Wait", "Seconds": 1.5, "End": true`), `state "A": field Seconds must be a whole number`},
		"a day for a time":        {machine(`"Type": "Wait", "Timestamp": "2026-01-01", "End": true`), `state "A": field Timestamp must be a timestamp like`},

		// Tasks.
		"no Resource":             {machine(`"Type": "Task", "End": true`), `state "A": field Resource is missing`},
		"another integration":     {machine(`"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true`), `state "A": field Resource must be the ARN of a Lambda function`},
		"two time-outs":           {machine(taskA + `, "TimeoutSeconds": 1, "TimeoutSecondsPath": "$.t"`), `state "A": field TimeoutSecondsPath may not be there beside TimeoutSeconds`},
		"two heartbeats":          {machine(taskA + `, "HeartbeatSeconds": 1, "HeartbeatSecondsPath": "$.t"`), `state "A": field HeartbeatSecondsPath may not be there beside HeartbeatSeconds`},
		"heartbeat too long":      {machine(taskA + `, "TimeoutSeconds": 10, "HeartbeatSeconds": 11`), `state "A": field HeartbeatSeconds must be less than TimeoutSeconds`},
		"intrinsic function":      {machine(taskA + `, "Parameters": {"x": {"y.$": "States.UUID()"}}`), `state "A": field Parameters.x.y.$ uses an intrinsic function, which is not supported: States.UUID()`},
		"a filter":                {machine(taskA + `, "Parameters": {"y.$": "$.a[?(@.b==1)]"}`), `state "A": field Parameters.y.$ must be a plain path`},
		"a wildcard":              {machine(taskA + `, "InputPath": "$.a[*]"`), `state "A": field InputPath must be a plain path`},
		"a descent":               {machine(taskA + `, "OutputPath": "$..a"`), `state "A": field OutputPath must be a plain path`},
		"a slice":                 {machine(taskA + `, "OutputPath": "$.a[0:1]"`), `state "A": field OutputPath must be a plain path`},
		"no path":                 {machine(taskA + `, "InputPath": "a"`), `state "A": field InputPath must be a plain path`},
		"path that is a number":   {machine(taskA + `, "Parameters": {"a.$": 1}`), `state "A": field Parameters.a.$ must be a path, since its name ends in .$`},
		"name with and without":   {machine(taskA + `, "Parameters": {"a": 1, "a.$": "$.a"}`), `state "A": field Parameters.a.$ stands there with and without .$`},
		"Parameters are a text":   {machine(taskA + `, "Parameters": "x"`), `state "A": field Parameters must be an object`},
		"ResultPath of context":   {machine(taskA + `, "ResultPath": "$$.x"`), `state "A": field ResultPath must begin with $`},
		"token to nobody":         {machine(taskA + `, "Parameters": {"t.$": "$$.Task.Token"}`), `state "A": field Parameters.t.$ may not read the task token`},
		"call-back of nothing":    {machine(askA), `state "A": field Parameters is missing`},
		"call-back, no function":  {machine(askA + `, "Parameters": {"Payload": {"t.$": "$$.Task.Token"}}`), `state "A": field Parameters.FunctionName must be the ARN`},
		"call-back without token": {machine(askA + `, "Parameters": {"FunctionName": "` + askARN + `", "Payload": {"t": 1}}`), `state "A": field Parameters.Payload does not carry $$.Task.Token`},
		"call-back, another one":  {machine(askA + `, "Parameters": {"FunctionName": "` + askARN + `", "Qualifier": "1", "Payload": {"t.$": "$$.Task.Token"}}`), `state "A": field Parameters.Qualifier is not supported`},
		"call-back, all right":    {machine(askA + `, ` + payload), ``},

		// Retry and Catch.
		"Retry is empty":       {machine(taskA + `, "Retry": []`), `state "A": field Retry must be a list with at least one entry`},
		"Retry of nothing":     {machine(taskA + `, "Retry": [{}]`), `state "A": field Retry[0].ErrorEquals must be a list of at least one error name`},
		"Retry, unknown":       {machine(taskA + `, "Retry": [{"ErrorEquals": ["E"], "Delay": 1}]`), `state "A": field Retry[0].Delay is not supported in a retrier`},
		"Retry, ALL not alone": {machine(taskA + `, "Retry": [{"ErrorEquals": ["E", "States.ALL"]}]`), `state "A": field Retry[0].ErrorEquals may name States.ALL only alone and in the last entry`},
		"Retry, ALL not last":  {machine(taskA + `, "Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}]`), `state "A": field Retry[0].ErrorEquals may name States.ALL only alone and in the last entry`},
		"Retry, reserved":      {machine(taskA + `, "Retry": [{"ErrorEquals": ["States.Whatever"]}]`), `state "A": field Retry[0].ErrorEquals names States.Whatever`},
		"Retry of the fatal":   {machine(taskA + `, "Retry": [{"ErrorEquals": ["States.Runtime"]}]`), `state "A": field Retry[0].ErrorEquals names States.Runtime`},
		"BackoffRate":          {machine(taskA + `, "Retry": [{"ErrorEquals": ["E"], "BackoffRate": 0.5}]`), `state "A": field Retry[0].BackoffRate must be a number of at least 1`},
		"MaxAttempts":          {machine(taskA + `, "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": -1}]`), `state "A": field Retry[0].MaxAttempts must be a whole number`},
		"IntervalSeconds":      {machine(taskA + `, "Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 0}]`), `state "A": field Retry[0].IntervalSeconds must be a whole number from 1`},
		"MaxDelaySeconds":      {machine(taskA + `, "Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 9, "MaxDelaySeconds": 8}]`), `state "A": field Retry[0].MaxDelaySeconds must not be less than IntervalSeconds`},
		"JitterStrategy":       {machine(taskA + `, "Retry": [{"ErrorEquals": ["E"], "JitterStrategy": "HALF"}]`), `state "A": field Retry[0].JitterStrategy must be FULL or NONE`},
		"Catch, ALL not last":  {machine(taskA + `, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "A"}, {"ErrorEquals": ["E"], "Next": "A"}]`), `state "A": field Catch[0].ErrorEquals may name States.ALL only`},
		"Catch without Next":   {machine(taskA + `, "Catch": [{"ErrorEquals": ["States.ALL"]}]`), `state "A": field Catch[0].Next is missing`},
		"Catch, unknown":       {machine(taskA + `, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "A", "Assign": {}}]`), `state "A": field Catch[0].Assign is not supported in a catcher`},

		// Choices.
		"no Choices":              {machine(`"Type": "Choice", "Default": "A"`), `state "A": field Choices must be a list with at least one rule`},
		"a choice without Next":   {machine(`"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": true}]`), `state "A": field Choices[0].Next is missing`},
		"unknown operator":        {machine(`"Type": "Choice", "Choices": [{"Variable": "$.a", "StringLike": "x", "Next": "A"}]`), `state "A": field Choices[0].StringLike is not supported in a Choice rule`},
		"StringMatchesPath":       {machine(`"Type": "Choice", "Choices": [{"Variable": "$.a", "StringMatchesPath": "$.b", "Next": "A"}]`), `state "A": field Choices[0].StringMatchesPath is not supported in a Choice rule`},
		"two operators":           {machine(`"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": true, "IsString": true, "Next": "A"}]`), `state "A": field Choices[0].Variable must stand beside exactly one operator`},
		"no Variable":             {machine(`"Type": "Choice", "Choices": [{"IsNull": true, "Next": "A"}]`), `state "A": field Choices[0].IsNull is not supported in a Choice rule`},
		"Next in a nested rule":   {machine(`"Type": "Choice", "Choices": [{"Not": {"Variable": "$.a", "IsNull": true, "Next": "A"}, "Next": "A"}]`), `state "A": field Choices[0].Not.Variable must stand beside exactly one operator`},
		"And of nothing":          {machine(`"Type": "Choice", "Choices": [{"And": [], "Next": "A"}]`), `state "A": field Choices[0].And must be a list`},
		"a text for a number":     {machine(`"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEquals": "1", "Next": "A"}]`), `state "A": field Choices[0].NumericEquals holds a value of the wrong type`},
		"a day for a timestamp":   {machine(`"Type": "Choice", "Choices": [{"Variable": "$.a", "TimestampEquals": "2026-01-01", "Next": "A"}]`), `state "A": field Choices[0].TimestampEquals holds a value of the wrong type`},
		"a text for a truth":      {machine(`"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": "true", "Next": "A"}]`), `state "A": field Choices[0].IsNull must be true or false`},
		"rule with a placeholder": {machine(`"Type": "Choice", "Choices": [{"Variable": "$.a", "StringEquals": "${x}", "Next": "A"}]`), `field States.A.Choices[0].StringEquals has a placeholder`},
		"a nested rule's fault":   {machine(`"Type": "Choice", "Choices": [{"Or": [{"Variable": "a", "IsNull": true}], "Next": "A"}]`), `state "A": field Choices[0].Or[0].Variable must be a plain path`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := asl.Load([]byte(tt.definition))
			if tt.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.says)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestLoadedDefinition(t *testing.T) {
	source := fmt.Sprintf(asking, "")
	d, err := asl.Load([]byte(source))
	require.NoError(t, err)
	require.Equal(t, source, d.Source())
	require.Equal(t, []string{askARN}, d.Functions())
}
