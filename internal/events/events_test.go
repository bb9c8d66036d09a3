package events_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/events"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

var at = time.Date(2026, 3, 9, 9, 0, 0, 500_000_000, time.UTC)

func record(kind, data string) audit.Record {
	return audit.Record{
		Chain: "case/spring-AIDAEXAMPLE", Seq: 7, At: at, Kind: kind, CleanupID: "spring", CaseID: "spring-AIDAEXAMPLE", UserID: "AIDAEXAMPLE",
		UserName: "ci-old", By: "iam-sunset", Text: "Something happened to <ci-old>.", Data: json.RawMessage(data), Key: "k", Prev: "abc",
	}
}

func TestAnEventIsItsRecord(t *testing.T) {
	e, _ := published(t, record("disabled", `{"quarantine":{"method":"inline-deny","at":"2026-03-09T09:00:00Z"},"soak_until":"2026-03-23T09:00:00Z","more":1}`))
	require.Equal(t, busARN, e.EventBusName)
	require.Equal(t, "iam-sunset", e.Source)
	require.Equal(t, "IAM Sunset Case Disabled", e.DetailType)
	require.InDelta(t, float64(at.UnixMilli())/1000, e.Time, 0.001)
	require.Empty(t, e.Resources)
	require.JSONEq(t, `{
		"version": "1", "id": "case/spring-AIDAEXAMPLE/7", "kind": "disabled", "at": "2026-03-09T09:00:00.5Z", "cleanup_id": "spring",
		"case_id": "spring-AIDAEXAMPLE", "user_id": "AIDAEXAMPLE", "user_name": "ci-old", "by": "iam-sunset",
		"text": "Something happened to <ci-old>.", "chain": "case/spring-AIDAEXAMPLE", "seq": 7,
		"record": "evidence/case/spring-AIDAEXAMPLE/000007.json",
		"data": {"quarantine": {"method": "inline-deny", "at": "2026-03-09T09:00:00Z"}, "soak_until": "2026-03-23T09:00:00Z"},
		"left_out": ["more"]
	}`, e.Detail)
}

func TestARecordIsWhereItsEventSays(t *testing.T) {
	dir, err := store.OpenDir(t.TempDir(), store.NoSync())
	require.NoError(t, err)
	var last audit.Record
	book := audit.NewBook(dir.Objects(), fixed{})
	for range 12 {
		last, err = book.Append(t.Context(), audit.Record{Chain: "cleanup/spring", Kind: "begun", CleanupID: "spring"})
		require.NoError(t, err)
	}
	_, d := published(t, last)
	body, err := dir.Objects().Get(t.Context(), d.Record)
	require.NoError(t, err)
	var stored audit.Record
	require.NoError(t, json.Unmarshal(body, &stored))
	require.Equal(t, last, stored)
}

type fixed struct{}

func (fixed) Now() time.Time { return at }

func TestAnEventComesTwiceAsTheSame(t *testing.T) {
	w := newWire(t)
	bus := w.bus()
	r := record("listened", `{"status":"soaking","signals":[],"new":0}`)
	require.NoError(t, bus.Publish(t.Context(), r))
	require.NoError(t, bus.Publish(t.Context(), r))
	require.Len(t, w.came, 2)
	require.Equal(t, w.came[0], w.came[1])
}

func TestTheDetailTypeSaysWhatHappenedToWhat(t *testing.T) {
	for chain, tt := range map[string]struct{ kind, want string }{
		"case/a-X":         {"closed", "IAM Sunset Case Closed"},
		"cleanup/a":        {"closed", "IAM Sunset Cleanup Closed"},
		"account/strays":   {"mismatch", "IAM Sunset Account Mismatch"},
		"case/a-Y":         {"made-up", "IAM Sunset Record"},
		"elsewhere/things": {"closed", "IAM Sunset Record"},
	} {
		r := record(tt.kind, "")
		r.Chain = chain
		e, d := published(t, r)
		require.Equal(t, tt.want, e.DetailType)
		require.LessOrEqual(t, len(e.DetailType), 128)
		require.Equal(t, tt.kind, d.Kind)
	}
}

func TestResourcesAreWhatTheRecordKnows(t *testing.T) {
	user, execution := "arn:aws:iam::111122223333:user/ci-old", "arn:aws:states:eu-west-1:111122223333:execution:iam-sunset:spring"
	for data, want := range map[string][]string{
		`{"entry":{"user":{"arn":"` + user + `","password":{"x":1}}}}`: {user},
		`{"execution":"` + execution + `"}`:                            {execution},
		`{"execution":"not one"}`:                                      nil,
		`[1]`:                                                          nil,
		`{"execution":1}`:                                              nil,
		``:                                                             nil,
	} {
		e, _ := published(t, record("claimed", data))
		require.Equal(t, want, e.Resources, data)
	}
}

func TestOfUnknownRecordsNoDataIsTold(t *testing.T) {
	for _, tt := range []struct {
		kind, data string
		want       []string
	}{
		{"made-up", `{"outcome":"deleted"}`, []string{"data"}},
		{"soak-again", `[{"mac":"x"}]`, []string{"data"}},
		{"decision", `{"choice":"keep","mac":"bWFj","request_id":"r1"}`, []string{"mac", "request_id"}},
		{"gone", `null`, nil},
		{"gone", ``, nil},
	} {
		_, d := published(t, record(tt.kind, tt.data))
		require.Equal(t, tt.want, d.LeftOut, tt.data)
		require.NotContains(t, d.Data, "mac")
	}
}

func TestNoSecretGetsOut(t *testing.T) {
	// Such a record can't be appended; if one came about in another way, its event would still not tell.
	const link = "https://pages.example.com/a/0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	r := record("listened", `{"status":"password: hunter2","signals":[{"detail":"token=hunter2 and `+link+`"}],"new":{"secret_access_key":"hunter2"}}`)
	r.Text = "See " + link + " with secret=hunter2."
	r.By, r.UserName = "password=hunter2", "token: hunter2"
	e, d := published(t, r)
	require.NotContains(t, e.Detail, "hunter2")
	require.NotContains(t, e.Detail, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG")
	require.Equal(t, []string{"new"}, d.LeftOut)
	require.Contains(t, d.Data, "signals")
}

func TestAnEventStaysSmall(t *testing.T) {
	long := strings.Repeat(`<"ü\`, 1_500)
	quoted, err := json.Marshal(long)
	require.NoError(t, err)
	for kind, told := range events.Told() {
		data := map[string]json.RawMessage{"also": quoted}
		for _, field := range told.Fields {
			data[field] = json.RawMessage(`"` + strings.Repeat(`\u0001`, 1_300) + `"`) // just not too long
		}
		body, err := json.Marshal(data)
		require.NoError(t, err)
		r := record(kind, string(body))
		r.Text, r.By, r.UserName, r.UserID, r.CaseID, r.CleanupID = strings.Repeat("\x01", 5_000), long, long, long, long, long
		e, d := published(t, r)
		require.Less(t, len(e.Detail), 128<<10, kind)
		require.Equal(t, []string{"text", "also"}, d.LeftOut, kind)
		require.Len(t, d.Data, len(told.Fields), kind)
	}
	_, d := published(t, record("listened", `{"status":"disturbed","signals":`+string(quoted)+`}`))
	require.Equal(t, []string{"signals"}, d.LeftOut)
	require.JSONEq(t, `"disturbed"`, string(d.Data["status"]))
}

func TestOnlyWhatIsOnRecordIsPublished(t *testing.T) {
	w := newWire(t)
	for _, r := range []audit.Record{{}, {Chain: "case/a", Kind: "closed"}, {Seq: 1, Kind: "closed"}} {
		require.Equal(t, sunset.Internal, sunset.KindOf(w.bus().Publish(t.Context(), r)))
	}
	require.Empty(t, w.came)
}

func TestWhatEventBridgeRefusesIsAFault(t *testing.T) {
	for _, tt := range []struct {
		status int
		answer string
		code   string
		want   sunset.Kind
	}{
		{200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"slower"}]}`, "ThrottlingException", sunset.Throttled},
		{200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"no"}]}`, "InternalFailure", sunset.Unavailable},
		{200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalException","ErrorMessage":"no"}]}`, "InternalException", sunset.Unavailable},
		{200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"AccessDeniedException"}]}`, "AccessDeniedException", sunset.AccessDenied},
		{200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"NotAuthorizedForSourceException"}]}`, "NotAuthorizedForSourceException", sunset.AccessDenied},
		{200, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"MalformedDetail"}]}`, "MalformedDetail", sunset.Invalid},
		{200, `{"FailedEntryCount":1,"Entries":[{}]}`, "", sunset.Unavailable},
		{200, `{"FailedEntryCount":0,"Entries":[]}`, "", sunset.Unavailable},
		{400, `{"__type":"AccessDeniedException","message":"no"}`, "AccessDeniedException", sunset.AccessDenied},
		{400, `{"__type":"ResourceNotFoundException","message":"no bus"}`, "ResourceNotFoundException", sunset.Invalid},
		{400, `{"__type":"ThrottlingException","message":"slower"}`, "ThrottlingException", sunset.Throttled},
		{500, `{"__type":"InternalException","message":"no"}`, "InternalException", sunset.Unavailable},
	} {
		w := newWire(t)
		w.status, w.answer = tt.status, tt.answer
		err := w.bus().Publish(t.Context(), record("gone", ""))
		require.Error(t, err, tt.answer)
		require.Equal(t, tt.want, sunset.KindOf(err), "%v", err)
		require.Equal(t, tt.code, awsfault.Code(err))
		require.Contains(t, err.Error(), tt.code)
		require.Contains(t, err.Error(), "record 7 of case/spring-AIDAEXAMPLE")
	}
	w := newWire(t)
	bus := w.bus()
	w.server.Close()
	require.Equal(t, sunset.Unavailable, sunset.KindOf(bus.Publish(t.Context(), record("gone", ""))))
}
