package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
)

// typedChecks use client-go's typed clients, in JSON or in protobuf.
func typedChecks(form string) []check {
	suffix := " (" + strings.TrimPrefix(form, "application/") + ")"
	namespace := "go-" + strings.NewReplacer(".", "-", "/", "-").Replace(strings.TrimPrefix(form, "application/"))
	in := func(run func(context.Context, kubernetes.Interface, string) error) func(context.Context, *rest.Config) error {
		return func(ctx context.Context, config *rest.Config) error {
			return run(ctx, kubernetes.NewForConfigOrDie(config), namespace)
		}
	}
	return []check{
		{"create, update and conflict" + suffix, in(createUpdate)},
		{"patch and apply" + suffix, in(patchApply)},
		{"informers" + suffix, in(informersFollow)},
		{"pages" + suffix, in(pages)},
		{"errors" + suffix, in(errorKinds)},
		{"leader election" + suffix, in(electLeader)},
		{"events" + suffix, in(events)},
	}
}

func createUpdate(ctx context.Context, client kubernetes.Interface, namespace string) error {
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, object, metav1.CreateOptions{}); err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	first, err := maps.Create(ctx, configMap("first"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	first.Data["a"] = "2"
	if _, err := maps.Update(ctx, first, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if _, err := maps.Update(ctx, first, metav1.UpdateOptions{}); !errors.IsConflict(err) {
		return fmt.Errorf("expected a conflict, not %v", err)
	}
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		fresh, err := maps.Get(ctx, "first", metav1.GetOptions{})
		if err != nil {
			return err
		}
		fresh.Data["a"] = "3"
		_, err = maps.Update(ctx, fresh, metav1.UpdateOptions{})
		return err
	})
}

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"a": "1"}}
}

func patchApply(ctx context.Context, client kubernetes.Interface, namespace string) error {
	services := client.CoreV1().Services(namespace)
	port := applycorev1.ServicePort().WithName("http").WithPort(80)
	spec := applycorev1.ServiceSpec().WithSelector(map[string]string{"a": "b"}).WithPorts(port)
	wanted := applycorev1.Service("web", namespace).WithSpec(spec)
	applied, err := services.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "one"})
	if err != nil {
		return err
	}
	if applied.Spec.ClusterIP == "" {
		return fmt.Errorf("no cluster address in %v", applied.Spec)
	}
	spec.WithSelector(map[string]string{"a": "c"})
	if _, err := services.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "two"}); !errors.IsConflict(err) {
		return fmt.Errorf("expected a conflict of field managers, not %v", err)
	}
	patch := []byte(`{"spec":{"ports":[{"port":443,"name":"https"}]}}`)
	patched, err := services.Patch(ctx, "web", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	if len(patched.Spec.Ports) != 2 {
		return fmt.Errorf("expected two ports, not %v", patched.Spec.Ports)
	}
	return nil
}

func informersFollow(ctx context.Context, client kubernetes.Interface, namespace string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var added, updated, deleted atomic.Int32
	factory := informers.NewSharedInformerFactoryWithOptions(client, time.Hour, informers.WithNamespace(namespace))
	maps := factory.Core().V1().ConfigMaps()
	if _, err := maps.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		UpdateFunc: func(any, any) { updated.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
	}); err != nil {
		return err
	}
	services := factory.Core().V1().Services().Lister()
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("%v never synced", kind)
		}
	}
	if _, err := services.Services(namespace).Get("web"); err != nil {
		return err
	}
	before := added.Load()
	second, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, configMap("second"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	second.Data["a"] = "2"
	if _, err := client.CoreV1().ConfigMaps(namespace).Update(ctx, second, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if err := client.CoreV1().ConfigMaps(namespace).Delete(ctx, "second", metav1.DeleteOptions{}); err != nil {
		return err
	}
	return eventually(ctx, "one object added, updated and deleted", func() bool {
		return added.Load() == before+1 && updated.Load() == 1 && deleted.Load() == 1
	})
}

func pages(ctx context.Context, client kubernetes.Interface, namespace string) error {
	secrets := client.CoreV1().Secrets(namespace)
	for i := range 25 {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("s-%d", i)}}
		if _, err := secrets.Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	list := pager.New(pager.SimplePageFunc(func(options metav1.ListOptions) (runtime.Object, error) {
		return secrets.List(ctx, options)
	}))
	list.PageSize = 10
	count := 0
	err := list.EachListItem(ctx, metav1.ListOptions{}, func(runtime.Object) error {
		count++
		return nil
	})
	if err == nil && count != 25 {
		err = fmt.Errorf("expected 25 Secrets, not %d", count)
	}
	return err
}

func errorKinds(ctx context.Context, client kubernetes.Interface, namespace string) error {
	services := client.CoreV1().Services(namespace)
	if _, err := services.Get(ctx, "nothing", metav1.GetOptions{}); !errors.IsNotFound(err) {
		return fmt.Errorf("expected not found, not %v", err)
	}
	wrong := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "Wrong"}}
	if _, err := services.Create(ctx, wrong, metav1.CreateOptions{}); !errors.IsInvalid(err) {
		return fmt.Errorf("expected invalid, not %v", err)
	}
	again := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, again, metav1.CreateOptions{}); !errors.IsAlreadyExists(err) {
		return fmt.Errorf("expected already exists, not %v", err)
	}
	return nil
}

func electLeader(ctx context.Context, client kubernetes.Interface, namespace string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Name: "leader", Namespace: namespace},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: "me"},
	}
	led := false
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock:            lock,
		ReleaseOnCancel: true,
		LeaseDuration:   15 * time.Second,
		RenewDeadline:   10 * time.Second,
		RetryPeriod:     2 * time.Second,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { led = true; cancel() },
			OnStoppedLeading: func() {},
		},
	})
	if !led {
		return fmt.Errorf("never led")
	}
	return nil
}

// events writes one through the newer group and reads it through the older.
func events(ctx context.Context, client kubernetes.Interface, namespace string) error {
	event := &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Name: "it-went", Namespace: namespace},
		EventTime:           metav1.NowMicro(),
		ReportingController: "go.test/clients",
		ReportingInstance:   "one",
		Action:              "Going",
		Reason:              "Gone",
		Note:                "it went",
		Type:                "Normal",
		Regarding:           corev1.ObjectReference{Kind: "ConfigMap", Namespace: namespace, Name: "first"},
	}
	if _, err := client.EventsV1().Events(namespace).Create(ctx, event, metav1.CreateOptions{}); err != nil {
		return err
	}
	old, err := client.CoreV1().Events(namespace).Get(ctx, "it-went", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if old.Message != "it went" || old.InvolvedObject.Name != "first" {
		return fmt.Errorf("another event: %v", old)
	}
	return nil
}
