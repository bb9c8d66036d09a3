package fakeaws

import (
	"container/heap"
	"time"
)

// step is something that a scripted person does at a time.
type step struct {
	at  time.Time
	seq int
	do  func()
}

type stepHeap []step

func (h stepHeap) Len() int { return len(h) }

func (h stepHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h stepHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *stepHeap) Push(x any) { *h = append(*h, x.(step)) }

func (h *stepHeap) Pop() any {
	old := *h
	s := old[len(old)-1]
	*h = old[:len(old)-1]
	return s
}

// schedule has do run at its time, under the account's lock, with now() standing at that time. People act lazily:
// before each request everything due is run in order of time, so that each step meets the state of its moment.
// A step may schedule the next one.
func (a *Account) schedule(at time.Time, do func()) {
	a.stepSeq++
	heap.Push(&a.steps, step{at: at.UTC(), seq: a.stepSeq, do: do})
}

// catchUp runs the steps due at now, each at its own time, and leaves the account at now.
func (a *Account) catchUp(now time.Time) {
	for len(a.steps) > 0 && !a.steps[0].at.After(now) {
		s := heap.Pop(&a.steps).(step)
		a.at = s.at
		s.do()
	}
	a.at = now
}

// At has do run once the account's clock has come to at: for changes that a test wants to happen meanwhile. do must
// not call the account's exported methods; they are called through the Actor.
func (a *Account) At(at time.Time, do func(*Actor)) {
	defer a.enter()()
	a.schedule(at, func() { do(&Actor{account: a}) })
}
