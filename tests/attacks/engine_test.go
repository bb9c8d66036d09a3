package attacks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/iam-sunset/iam-sunset/internal/embedded/identity"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
)

// signed signs a request with an engine's key.
func (t *trial) signed(key signature.Key, service, body string) with {
	return func(r *http.Request) {
		sum := sha256.Sum256([]byte(body))
		err := v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, r, hex.EncodeToString(sum[:]), service, region, time.Now())
		t.must(err == nil, "signing: %v", err)
	}
}

// calls one of the engine's operations.
func (t *trial) calls(operation string, in any, more ...with) answer {
	body, err := json.Marshal(in)
	t.must(err == nil, "writing a request: %v", err)
	changes := []with{header("Content-Type", "application/x-amz-json-1.0"), header("X-Amz-Target", "AWSStepFunctions."+operation)}
	if more == nil {
		more = []with{t.signed(t.key, "states", string(body))}
	}
	return t.do(http.MethodPost, t.machine.EngineURL+"/", bytes.NewReader(body), append(changes, more...)...)
}

// office asks the office, signed with the engine's key.
func (t *trial) office(method, path, body string, more ...with) answer {
	changes := append([]with{header("X-Iam-Sunset-Write", random())}, more...)
	return t.do(method, t.machine.EngineURL+path, strings.NewReader(body), append(changes, t.signed(t.key, "iam-sunset", body))...)
}

// token is what a stranger who reads the table would know.
func (t *trial) token(name string) string {
	token, _ := t.stored("token/" + t.asked(name).ID)["token"].(string)
	t.must(token != "", "%s has no token", name)
	return token
}

// identities are attacks by those who come with an AWS identity.
func identities() []attack {
	decides := func(t *trial, caller string, body any, statuses ...int) {
		b, err := json.Marshal(body)
		t.must(err == nil, "writing a decision: %v", err)
		t.caller = caller
		t.refused(t.body(t.api.URL+"/v1/decisions", "application/json", string(b)), statuses...)
		t.caller = ""
	}
	word := func(t *trial, name, choice string) map[string]any {
		r := t.asked(name)
		return map[string]any{"request_id": r.ID, "digest": r.Digest, "choice": choice, "reason": "x"}
	}
	return []attack{
		{name: "the API without an identity, or with one that only headers claim", has: nothing, try: func(t *trial) {
			for _, h := range []string{"X-Amzn-Request-Context", "X-Amzn-Oidc-Identity", "X-Forwarded-User", "Authorization", "X-Iam-Sunset-Identity", "X-Amz-Security-Token"} {
				t.refused(t.get(t.api.URL+"/v1/requests", header(h, `{"authorizer":{"iam":{"userArn":"arn:aws:iam::111122223333:role/approvers"}}}`)), http.StatusForbidden)
				t.refused(t.body(t.api.URL+"/v1/decisions", "application/json", "{}", header(h, "arn:aws:sts::111122223333:assumed-role/approvers/ada")), http.StatusForbidden)
			}
		}},
		{name: "identities that are no approver's", has: anIdentity, try: func(t *trial) {
			for _, caller := range []string{
				"arn:aws:sts::123456789012:assumed-role/visitors/" + ada, "arn:aws:sts::123456789012:assumed-role/visitors/ada", "arn:aws:sts::999999999999:assumed-role/approvers/ada", "arn:aws:iam::123456789012:user/" + ada, "arn:aws:iam::123456789012:root",
				"arn:aws:sts::123456789012:assumed-role/approvers-2/ada", "arn:aws:sts::123456789012:assumed-role/x/approvers/ada", "arn:aws:iam::123456789012:user/approvers", ada, "*", "arn:aws:sts::123456789012:federated-user/ada",
			} {
				decides(t, caller, word(t, target, "delete"), http.StatusForbidden)
			}
		}},
		{name: "the starter decides by an AWS identity", has: anIdentity, try: func(t *trial) {
			decides(t, olgaARN, word(t, target, "delete"), http.StatusForbidden)
			decides(t, "arn:aws:sts::123456789012:assumed-role/security/another", word(t, target, "delete"), http.StatusForbidden)
		}},
		{name: "decisions over the API that no page would send", has: anIdentity, try: func(t *trial) {
			for field, value := range map[string]any{"digest": t.asked(other).Digest, "choice": "DELETE", "reason": " ", "request_id": t.caseOf(target).ID, "approver": ben, "way": "link", "mac": "AAAA"} {
				w := word(t, target, "delete")
				w[field] = value
				decides(t, adaARN, w, 400, 409)
			}
			decides(t, adaARN, word(t, tried, "delete"), http.StatusBadRequest)
			decides(t, adaARN, []any{word(t, target, "delete")}, http.StatusBadRequest)
			t.caller = adaARN
			good, _ := json.Marshal(word(t, target, "delete")) // it is plain
			for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"} {
				t.refused(t.body(t.api.URL+"/v1/decisions", kind, string(good)), 400, 415)
			}
			for _, body := range []string{string(good) + "{}", string(good) + "x", "", "null", strings.Repeat("[", 60_000), `{"reason":"` + strings.Repeat("x", 70_000) + `"}`} {
				t.refused(t.body(t.api.URL+"/v1/decisions", "application/json", body), http.StatusBadRequest)
			}
			for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
				t.refused(t.do(m, t.api.URL+"/v1/decisions", bytes.NewReader(good), header("Content-Type", "application/json")), 404, 405)
			}
			t.caller = ""
		}},
		{name: "a field that stands there twice in a decision over the API", has: anIdentity, try: func(t *trial) {
			r := t.asked(target)
			t.caller = adaARN
			for _, body := range []string{
				`{"request_id":"` + r.ID + `","digest":"` + r.Digest + `","choice":"keep","choice":"delete","reason":"x"}`,
				`{"request_id":"` + r.ID + `","digest":"` + r.Digest + `","choice":"keep","CHOICE":"delete","reason":"x"}`,
				`{"request_id":"x","request_id":"` + r.ID + `","digest":"` + r.Digest + `","choice":"delete","reason":"x"}`,
			} {
				t.refused(t.body(t.api.URL+"/v1/decisions", "application/json", body), http.StatusBadRequest)
			}
			t.caller = ""
		}},
	}
}

// engines are attacks on the engine's port, with its key and without.
func engines() []attack {
	success := func(t *trial, name string) map[string]string {
		return map[string]string{"taskToken": t.token(name), "output": `{"choice":"delete","request_id":"` + t.asked(name).ID + `"}`}
	}
	var answered, failed, twice, stopped string
	return []attack{
		{name: "a task token without the engine's key", has: aToken, try: func(t *trial) {
			in := success(t, target)
			body, _ := json.Marshal(in) // strings
			for _, more := range [][]with{
				{header("X", "y")},
				{t.signed(signature.Key{ID: t.key.ID, Secret: "guess"}, "states", string(body))},
				{t.signed(signature.Key{ID: "SUNSETAAAAAAAAAAAAAA", Secret: t.key.Secret}, "states", string(body))},
				{t.signed(t.key, "states", "{}")},
				{t.signed(t.key, "sts", string(body))},
				{header("Origin", "https://evil.example")},
				{host("evil.example"), t.signed(t.key, "states", string(body))},
				{header("Authorization", "Bearer "+in["taskToken"])},
			} {
				t.refused(t.calls("SendTaskSuccess", in, more...), 400, 403)
			}
		}},
		{name: "deleting by a task token that a stranger answers", has: engineKey, try: func(t *trial) {
			answered = t.next()
			t.refused(t.calls("SendTaskSuccess", success(t, answered)), http.StatusOK)
		}, end: func(t *trial) {
			stays(&answered)(t)
			t.must(t.recorded(answered, "deleting") == 0, "a deletion began")
		}},
		{name: "a task token that is answered with what handlers would trust", has: engineKey, try: func(t *trial) {
			twice = t.next()
			c := t.caseOf(twice)
			out, _ := json.Marshal(map[string]any{ // it is plain
				"choice": "delete", "request_id": c.RequestID, "outcome": "approved", "decided": true, "case": c, "approvals": []string{ada, ben},
			})
			t.refused(t.calls("SendTaskSuccess", map[string]string{"taskToken": t.token(twice), "output": string(out)}), http.StatusOK)
		}, end: func(t *trial) { stays(&twice)(t) }},
		{name: "a task token that is answered with an error", has: engineKey, try: func(t *trial) {
			failed = t.next()
			t.refused(t.calls("SendTaskFailure", map[string]string{"taskToken": t.token(failed), "error": "Moot", "cause": "<x-attack>"}), http.StatusOK)
		}, end: func(t *trial) { stays(&failed)(t) }},
		{name: "an execution that is stopped, and one that is made up to begin with a deletion", has: engineKey, try: func(t *trial) {
			stopped = t.next()
			c := t.caseOf(stopped)
			t.refused(t.calls("StopExecution", map[string]string{"executionArn": c.Execution}), http.StatusOK)
			input, _ := json.Marshal(map[string]any{ // it is plain
				"case": c, "approval": map[string]string{"choice": "delete", "request_id": c.RequestID}, "soak": map[string]any{"result": "quiet", "until": "2020-01-01T00:00:00Z"}, "disable": map[string]any{"result": "disabled"}, "delete": map[string]any{"result": "go"},
			})
			t.refused(t.calls("StartExecution", map[string]string{"stateMachineArn": t.machine.Engine.StateMachineARN(), "name": "made-up", "input": string(input)}), 200, 400)
		}, end: func(t *trial) { stays(&stopped)(t) }},
		{name: "a cleanup that the key alone starts, in an approver's absence", has: engineKey, try: func(t *trial) {
			for _, input := range []string{`{}`, `{"starter":"` + adaARN + `"}`, `{"dry_run":false}`, `{"dry_run":"true"}`, `{"case":{}}`, `{"Case":{"user_id":"x"}}`, `[]`, `null`} {
				t.refused(t.calls("StartExecution", map[string]string{"stateMachineArn": t.machine.Engine.StateMachineARN(), "name": "mine", "input": input}), 400)
			}
		}},
		{name: "operations, targets and bodies that the engine does not have", has: engineKey, try: func(t *trial) {
			for _, op := range []string{"DeleteStateMachine", "UpdateStateMachine", "CreateStateMachine", "", "../SendTaskSuccess", "sendtasksuccess", "TestState"} {
				t.refused(t.calls(op, map[string]any{"definition": "{}", "stateMachineArn": t.machine.Engine.StateMachineARN()}), 400)
			}
			for _, in := range []any{nil, []any{}, "x", map[string]any{"taskToken": strings.Repeat("x", 1<<20), "output": "{}"}, map[string]any{"taskToken": "AAAA", "output": "delete"}, map[string]any{"taskToken": 1}} {
				t.refused(t.calls("SendTaskSuccess", in), 400)
			}
		}},
		{name: "rows and records that the engine's key may not write", has: engineKey, try: func(t *trial) {
			r := t.asked(target)
			for _, key := range []string{"decision/" + r.ID + "/" + hashOf(ada), "request/" + r.ID, "token/" + r.ID, "link/" + hashOf("x"), "ownerlink/" + hashOf("x"), "owner/" + r.CaseID, "round/" + r.CaseID + "/2", "unsent/x", "case/../decision/x", "control/../token/x"} {
				t.refused(t.office(http.MethodPut, "/office/row?version=0&key="+url.QueryEscape(key), `{"choice":"delete"}`), 400, 403)
			}
			for _, key := range []string{"evidence/case/" + r.CaseID + "/000099.json", "evidence/manifest/x.json", "evidence/account/../case/x", "plan/x", "snapshot/x"} {
				t.refused(t.office(http.MethodPut, "/office/object?key="+url.QueryEscape(key), `{}`), 400, 403)
			}
		}},
		{name: "task tokens and links read with the engine's key", has: engineKey, try: func(t *trial) {
			for _, p := range []string{"/office/row?key=token/" + t.asked(target).ID, "/office/rows?prefix=token/", "/office/rows?prefix=link/", "/office/rows?prefix=ownerlink/", "/office/rows?prefix=", "/office/rows?prefix=to", "/office/rows?prefix=unsent/", "/office/object?key=../decisions.key", "/office/object?key=..%2f..%2fdecisions.key"} {
				t.refused(t.office(http.MethodGet, p, ""), 400, 403)
			}
		}},
		{name: "decisions and ways in by the engine's key, without an AWS identity", has: engineKey, try: func(t *trial) {
			r := t.asked(target)
			body := `{"request_id":"` + r.ID + `","digest":"` + r.Digest + `","choice":"delete","reason":"x"}`
			proof, err := identity.Prove(t.t.Context(), t.as("approvers", "ada"), t.key.ID, identity.ToSend(http.MethodPost, "/office/v1/decisions", []byte(strings.Replace(body, "delete", "keep", 1))), time.Now())
			t.must(err == nil, "proving: %v", err)
			visitor, err := identity.Prove(t.t.Context(), t.as("visitors", ada), t.key.ID, identity.ToSend(http.MethodPost, "/office/v1/decisions", []byte(body)), time.Now())
			t.must(err == nil, "proving: %v", err)
			for _, more := range [][]with{nil, {header(identity.Header, "")}, {header(identity.Header, "e30")}, {header(identity.Header, proof)}, {header(identity.Header, proof, proof)}, {header(identity.Header, visitor)}} {
				t.refused(t.office(http.MethodPost, "/office/v1/decisions", body, append(more, header("Content-Type", "application/json"))...), 400, 403)
				t.refused(t.office(http.MethodPost, "/office/dashboard", "", more...), 400, 403)
			}
		}},
		{name: "the office from a page in a browser", has: anotherWeb, try: func(t *trial) {
			for _, more := range [][]with{{header("Origin", "https://evil.example")}, {header("Origin", t.machine.EngineURL)}, {header("Sec-Fetch-Site", "none")}, {host("rebound.example")}, {host("127.0.0.1.evil.example")}} {
				t.refused(t.office(http.MethodGet, "/office/", "", more...), http.StatusForbidden)
				t.refused(t.office(http.MethodPost, "/office/rescue", `{"UserID":"x"}`, more...), http.StatusForbidden)
			}
		}},
		{name: "links that the engine's key has sent, and headers in a subject", has: engineKey, try: func(t *trial) {
			t.refused(t.office(http.MethodPost, "/office/messages", `{"To":"`+ada+`","Subject":"x","Text":"x","Link":"https://evil.example"}`), 400, 403)
			for _, to := range []string{`a@b.example\r\nBcc: eve@evil.example`, `a@b.example, eve@evil.example`, `"x\r\n" <a@b.example>`, ``} {
				t.refused(t.office(http.MethodPost, "/office/messages", `{"To":"`+strings.ReplaceAll(to, `"x`, `\"x`)+`","Subject":"x","Text":"x"}`), 400, 403)
			}
		}},
		{name: "a rescue in somebody's name, of nobody and of a user without a case", has: engineKey, try: func(t *trial) {
			for _, body := range []string{`{}`, `{"UserID":""}`, `{"UserID":"../x"}`, `{"user_id":"AIDANOBODY","by":"x","reason":"x"}`, `[]`, `null`, `{"user_id":"` + t.users["in-use"].ID + `","by":"x","reason":"x"}`} {
				t.refused(t.office(http.MethodPost, "/office/rescue", body), 400, 404, 409)
			}
		}},
	}
}
