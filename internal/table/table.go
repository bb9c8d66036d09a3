// Package table keeps rows in a DynamoDB table under optimistic locking.
//
// An item has the partition key kind (the row's key up to its first slash, or all of it), the sort key key (the whole key),
// version (a number, from 1), body (the row's text) and write, which names the Put that wrote it. So a policy on
// dynamodb:LeadingKeys says which function may write which kind of row.
//
// All reads are consistent ones. A kind is one partition, which DynamoDB lets be read some 12 MB and written some 1,000 small
// rows a second. See https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html.
package table

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// The attributes. Expressions name them by placeholders, as DynamoDB reserves words and reserves more of them over time.
const (
	kindName    = "kind"
	keyName     = "key"
	versionName = "version"
	bodyName    = "body"
	writeName   = "write"
)

// maxBody leaves the other attributes room within DynamoDB's 400 KB an item: a key has at most 1,024 bytes, its kind fewer.
const maxBody = 400<<10 - 4<<10

// Rows is a table as store.Rows. Its faults name the DynamoDB action.
//
// It keeps the calls that it makes rather than the client. Where a program looks methods up by name, as templates do, the
// linker keeps all methods of whatever an interface leads to, and the client has one for each of DynamoDB's actions.
type Rows struct {
	put   func(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	get   func(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	query func(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	table string
}

var _ store.Rows = (*Rows)(nil)

// New keeps rows in table.
func New(client *dynamodb.Client, table string) *Rows {
	return &Rows{client.PutItem, client.GetItem, client.Query, table}
}

// Put writes body where the row's version is still version, and gives the new one; ErrMoved where it is not. Where
// DynamoDB's answer is lost, the SDK sends the write again and finds it done: that is a success, as the row names its Put.
// If somebody else has changed the row by then, it is ErrMoved, though the write was there for a moment. An Unavailable
// fault leaves open whether the row was written. A body of more than 396 KB, or not in UTF-8, is an Invalid fault.
func (r *Rows) Put(ctx context.Context, key string, version int64, body []byte) (int64, error) {
	switch err := store.CheckKey(key); {
	case err != nil:
		return 0, fmt.Errorf("writing a row: %w", err)
	case len(body) > maxBody:
		return 0, sunset.Faultf(sunset.Invalid, "writing row %s: it has %d bytes; a table takes %d", key, len(body), maxBody)
	case !utf8.Valid(body):
		return 0, sunset.Faultf(sunset.Invalid, "writing row %s: it is no UTF-8, and a table keeps text", key)
	}
	next, write := version+1, rand.Text()
	item := keyOf(key)
	item[versionName], item[bodyName], item[writeName] = number(next), text(string(body)), text(write)
	in := &dynamodb.PutItemInput{
		TableName: &r.table, Item: item,
		ConditionExpression: aws.String("attribute_not_exists(#key)"), ExpressionAttributeNames: map[string]string{"#key": keyName},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if version != 0 {
		in.ConditionExpression, in.ExpressionAttributeNames = aws.String("#version = :version"), map[string]string{"#version": versionName}
		in.ExpressionAttributeValues = map[string]types.AttributeValue{":version": number(version)}
	}
	_, err := r.put(ctx, in)
	var failed *types.ConditionalCheckFailedException
	switch {
	case err == nil:
		return next, nil
	case !errors.As(err, &failed):
		return 0, awsfault.Wrap(err, "dynamodb:PutItem", "writing row %s in table %s", key, r.table)
	case textOf(failed.Item[writeName]) == write:
		return next, nil
	}
	return 0, fmt.Errorf("writing row %s: %w", key, store.ErrMoved)
}

// Get reads a row; ErrMissing where there is none.
func (r *Rows) Get(ctx context.Context, key string) (store.Row, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Row{}, fmt.Errorf("reading a row: %w", err)
	}
	out, err := r.get(ctx, &dynamodb.GetItemInput{TableName: &r.table, Key: keyOf(key), ConsistentRead: aws.Bool(true)})
	switch {
	case err != nil:
		return store.Row{}, awsfault.Wrap(err, "dynamodb:GetItem", "reading row %s in table %s", key, r.table)
	case len(out.Item) == 0:
		return store.Row{}, fmt.Errorf("reading row %s: %w", key, store.ErrMissing)
	}
	return r.row(out.Item)
}

// List gives all rows whose key begins with prefix, sorted by key. The prefix must hold a slash, "case/" or
// "decision/<request>/": rows are listed within their kind, and reading the whole table is no function's right.
// Anything else is an Invalid fault. Rows that are written meanwhile may be in the list or not.
func (r *Rows) List(ctx context.Context, prefix string) ([]store.Row, error) {
	kind, _, ok := strings.Cut(prefix, "/")
	if !ok || kind == "" {
		return nil, sunset.Faultf(sunset.Invalid, "listing rows %q…: a table is listed by kind; begin with one and a slash, as in case/", prefix)
	}
	in := &dynamodb.QueryInput{
		TableName: &r.table, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("#kind = :kind AND begins_with(#key, :prefix)"),
		ExpressionAttributeNames:  map[string]string{"#kind": kindName, "#key": keyName},
		ExpressionAttributeValues: map[string]types.AttributeValue{":kind": text(kind), ":prefix": text(prefix)},
	}
	var rows []store.Row
	for {
		page, err := r.query(ctx, in)
		if err != nil {
			return nil, awsfault.Wrap(err, "dynamodb:Query", "listing rows %s… in table %s", prefix, r.table)
		}
		for _, item := range page.Items {
			row, err := r.row(item)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
		if len(page.LastEvaluatedKey) == 0 {
			return rows, nil
		}
		in.ExclusiveStartKey = page.LastEvaluatedKey
	}
}

// row reads an item. One that this package can't have written is a fault, never an empty row.
func (r *Rows) row(item map[string]types.AttributeValue) (store.Row, error) {
	key, body := textOf(item[keyName]), item[bodyName]
	digits, _ := item[versionName].(*types.AttributeValueMemberN)
	_, isText := body.(*types.AttributeValueMemberS)
	if digits != nil && isText && key != "" {
		if version, err := strconv.ParseInt(digits.Value, 10, 64); err == nil && version > 0 {
			return store.Row{Key: key, Version: version, Body: []byte(textOf(body))}, nil
		}
	}
	return store.Row{}, sunset.Faultf(sunset.Internal, "reading row %s in table %s: it has no version or no body; it was changed by something else", key, r.table)
}

func keyOf(key string) map[string]types.AttributeValue {
	kind, _, _ := strings.Cut(key, "/")
	return map[string]types.AttributeValue{kindName: text(kind), keyName: text(key)}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func textOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}
