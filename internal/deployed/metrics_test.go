package deployed_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/deployed"
	"github.com/iam-sunset/iam-sunset/internal/workflow"
)

// A line is what the specification asks for: one JSON object, in which each metric and dimension that the metadata names is
// a member of the root, a number and a string, and the time is in milliseconds.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func TestFiguresAreEmbeddedMetrics(t *testing.T) {
	for name, figures := range map[string]map[string]float64{
		"all":  {workflow.CasesFailed: 1, workflow.CasesDisturbed: 2, workflow.CasesExpired: 3, workflow.ApprovalsEndingSoon: 4, workflow.MessagesUndelivered: 5, workflow.ChainProblems: 0, workflow.ReconcileRuns: 1},
		"some": {workflow.ReconcileRuns: 1, workflow.CasesFailed: 0},
		"more": {workflow.ReconcileRuns: 1, "Unheard": 7},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			deployed.FiguresTo(&out, machine, begin)(figures)
			require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("\n")), "one line")
			require.True(t, bytes.HasSuffix(out.Bytes(), []byte("}\n")))
			var line struct {
				AWS struct {
					Timestamp         json.Number
					CloudWatchMetrics []struct {
						Namespace  string
						Dimensions [][]string
						Metrics    []struct{ Name, Unit string }
					}
				} `json:"_aws"`
			}
			strict := json.NewDecoder(bytes.NewReader(out.Bytes()))
			require.NoError(t, strict.Decode(&line))
			var root map[string]any
			require.NoError(t, json.Unmarshal(out.Bytes(), &root))
			require.Equal(t, json.Number("1795165200000"), line.AWS.Timestamp, begin().Format(time.RFC3339))
			require.Len(t, line.AWS.CloudWatchMetrics, 1)
			directive := line.AWS.CloudWatchMetrics[0]
			require.Equal(t, "IAMSunset", directive.Namespace)
			require.Equal(t, [][]string{{"Deployment"}}, directive.Dimensions)
			require.Equal(t, "iam-sunset", root["Deployment"])
			named := []string{"_aws", "Deployment"}
			for _, m := range directive.Metrics {
				require.Equal(t, "Count", m.Unit)
				require.IsType(t, float64(0), root[m.Name])
				require.InDelta(t, figures[m.Name], root[m.Name], 0)
				require.Contains(t, workflow.MetricNames(), m.Name)
				require.NotContains(t, named, m.Name)
				named = append(named, m.Name)
			}
			require.Len(t, root, len(named), "nothing is in the line that no metric is made of")
			for _, known := range workflow.MetricNames() {
				_, counted := figures[known]
				require.Equal(t, counted, slices.Contains(named, known), known)
			}
		})
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestALostLineHarmsNobody(t *testing.T) {
	require.NotPanics(t, func() { deployed.FiguresTo(closed{}, "", begin)(map[string]float64{workflow.ReconcileRuns: 1}) })
}
