//go:build emulators

package emulators

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/events"
)

// heard is what the deployment's bus and topic have carried.
type heard struct {
	events map[string]events.Detail // by id
	team   []string                 // subjects
	all    string
}

func (d *deployment) heard(t *testing.T) heard {
	t.Helper()
	resp, err := http.Get(d.on.url + "/_ministack/sqs/messages?QueueUrl=" + url.QueryEscape(d.events))
	require.NoError(t, err)
	defer resp.Body.Close()
	// By account, region and queue.
	var queues struct {
		Messages map[string]map[string]map[string][]struct{ Body string }
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&queues))
	out := heard{events: map[string]events.Detail{}}
	for _, m := range queues.Messages[accountID][region][d.events] {
		var body struct {
			Source     string
			DetailType string `json:"detail-type"`
			Detail     events.Detail
			TopicArn   string
			Subject    string
		}
		require.NoError(t, json.Unmarshal([]byte(m.Body), &body))
		out.all += m.Body
		if body.TopicArn != "" {
			require.Equal(t, d.Topic, body.TopicArn)
			out.team = append(out.team, body.Subject)
			continue
		}
		require.Equal(t, "iam-sunset", body.Source)
		require.NotEmpty(t, body.DetailType)
		out.events[body.Detail.ID] = body.Detail
	}
	return out
}

// proven has the evidence verified as an auditor does: copied out of the bucket, by the command, with the key that signs
// got from KMS and not from the evidence. And its records were events as well.
func (d *deployment) proven(t *testing.T, auditor person) {
	t.Helper()
	got, err := kms.NewFromConfig(d.on.config()).GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &d.SealingKey})
	require.NoError(t, err)
	parsed, err := x509.ParsePKIXPublicKey(got.PublicKey)
	require.NoError(t, err)
	require.IsType(t, &ecdsa.PublicKey{}, parsed)
	key := filepath.Join(t.TempDir(), "sealing.pem")
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: got.PublicKey}), 0o600))

	dir := d.evidence()
	require.Contains(t, auditor.does(0, "audit", "verify", dir, "--key", key), "sealed: ")
	report, err := audit.Verify(os.DirFS(dir))
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	require.Empty(t, report.Unsealed)
	require.Positive(t, report.Records)

	text := ""
	records, all := map[string]string{}, 0
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		require.NoError(t, err)
		text += string(b)
		if folder, _, _ := strings.Cut(path, "/"); folder == "manifest" || folder == "checkpoint" || folder == "key" {
			return nil
		}
		var r audit.Record
		require.NoError(t, json.Unmarshal(b, &r), path)
		all++
		records[r.Chain+"/"+strconv.Itoa(r.Seq)] = r.Kind
		return nil
	}))
	require.Equal(t, report.Records, all)
	// reconcile makes up for what was not published at once.
	var told heard
	missing := map[string]string{}
	deadline := time.Now().Add(20 * time.Second)
	for {
		told = d.heard(t)
		clear(missing)
		for id, kind := range records {
			if told.events[id].Kind != kind {
				missing[id] = kind
			}
		}
		if len(missing) == 0 || time.Now().After(deadline) {
			break
		}
		pause(t.Context(), 200*time.Millisecond)
	}
	require.Empty(t, missing, "records without an event")
	d.noSecrets(t, text+told.all)
}

// noSecrets looks for links, task tokens and keys where they must not be: evidence, events, what the team is told, logs, and mail to
// anybody but whom a link belongs to.
func (d *deployment) noSecrets(t *testing.T, text string) {
	t.Helper()
	log, err := os.ReadFile(d.on.log)
	require.NoError(t, err)
	text += string(log)
	secrets := []string{functionSecret}
	for _, m := range d.on.mails(t, d.MailFrom) {
		rest, ok := m.BodyText, true
		for range 10 {
			if _, rest, ok = strings.Cut(rest, d.PagesURL+"/a/"); !ok {
				break
			}
			require.Equal(t, []string{approver}, m.To)
			secrets = append(secrets, strings.Fields(rest)[0])
		}
		text += m.Subject
	}
	require.Greater(t, len(secrets), 1, "no link was mailed")
	tokens := dynamodb.NewQueryPaginator(d.tables, &dynamodb.QueryInput{
		TableName: &d.Table, KeyConditionExpression: new("#k = :k"), ExpressionAttributeNames: map[string]string{"#k": "kind"},
		ExpressionAttributeValues: map[string]dynamodbtypes.AttributeValue{":k": &dynamodbtypes.AttributeValueMemberS{Value: "token"}},
	})
	for tokens.HasMorePages() {
		page, err := tokens.NextPage(t.Context())
		require.NoError(t, err)
		for _, row := range page.Items {
			var waits struct{ Token string }
			require.NoError(t, json.Unmarshal([]byte(row["body"].(*dynamodbtypes.AttributeValueMemberS).Value), &waits))
			require.NotEmpty(t, waits.Token)
			secrets = append(secrets, waits.Token)
		}
	}
	for _, s := range secrets {
		if strings.Contains(text, s) {
			at := strings.Index(text, s)
			t.Errorf("a secret is where it must not be, after %q", text[max(0, at-300):at])
		}
	}
}

// onlyThose checks by the account's own call log which functions changed it, and that nobody but delete-all-artifacts
// deleted a user.
func (d *deployment) onlyThose(t *testing.T) {
	t.Helper()
	changes := []string{"Add", "Attach", "Create", "Deactivate", "Delete", "Detach", "Enable", "Put", "Remove", "Set", "Tag", "Untag", "Update", "Upload"}
	seen := map[string]bool{}
	for _, c := range d.account.Calls() {
		if c.Service != "iam" || !slices.ContainsFunc(changes, func(verb string) bool { return strings.HasPrefix(c.Action, verb) }) {
			continue
		}
		_, function, ok := strings.Cut(c.CallerARN, ":assumed-role/iam-sunset-")
		require.True(t, ok, "%s by %s", c.Action, c.CallerARN)
		function, _, _ = strings.Cut(function, "/")
		seen[function] = true
		require.Contains(t, []string{"disable", "restore", "delete-all-artifacts"}, function, c.Action)
		if c.Action == "DeleteUser" {
			require.Equal(t, "delete-all-artifacts", function)
		}
	}
	require.Len(t, seen, 3, "who changes the account: %v", seen)
}
